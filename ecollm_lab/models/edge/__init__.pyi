from .gguf import check_file as check_file
from .isolated import IsolatedModel as IsolatedModel
from .llama import EdgeModel as EdgeModel
