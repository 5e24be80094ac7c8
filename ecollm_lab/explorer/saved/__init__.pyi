from .exports import toml_of as toml_of
from .page import fallback as fallback
from .page import html as html
