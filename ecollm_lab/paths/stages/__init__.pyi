from .prompt import build_prompt as build_prompt
