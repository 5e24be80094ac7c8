"""plotly.js as a widget of its own, which all explorers share and a notebook saves once."""

from __future__ import annotations

import anywidget
import traitlets

from ecollm_lab.explorer import page


class Library(anywidget.AnyWidget):
    """plotly.js, compressed by gzip."""

    _esm = "export default {};"
    source = traitlets.Bytes().tag(sync=True)


_library: list[Library] = []


def shared_library() -> Library:
    """Return the library of this kernel; a new one if it was closed."""
    if not _library or _library[0].comm is None:
        _library[:] = [Library(source=page.plotly_js())]
    return _library[0]
