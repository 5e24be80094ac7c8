"""What llama.cpp says about sound files does not reach the screen."""

from llama_cpp import _logger

from ecollm_lab.models import load_catalog
from ecollm_lab.models.edge.gguf import read_metadata
from tests.conftest import SMALL


def test_a_warning_of_llama_cpp_is_not_printed(capfd):
    warning = 3  # in the words of ggml.h: GGML_LOG_LEVEL_WARN
    assert read_metadata(str(load_catalog("tests/data/models.toml")[SMALL].file))
    _logger.set_verbose(False)
    _logger.llama_log_callback(warning, b"control-looking token", None)
    assert capfd.readouterr().err == ""
