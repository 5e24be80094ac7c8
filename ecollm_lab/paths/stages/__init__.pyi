from .instruct import build_prompt as build_prompt
from .rewrite import HYDE as HYDE
from .rewrite import build_hyde_prompt as build_hyde_prompt
