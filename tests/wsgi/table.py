"""What each web server can do: the table of README.rst and of the documentation, which the tests measure.

    python -m tests.wsgi.table        # write it into both
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.rst", ROOT / "docs" / "howto" / "deploy.rst")
BEGIN = ".. the web servers: written by ``python -m tests.wsgi.table``, measured by tests/wsgi/test_table.py\n\n"
END = "\n.. the end of the web servers\n"


@dataclass(frozen=True)
class Row:
    """Some web servers that can do the same.

    Attributes:
        name: as users know them.
        hosts: as ``tests.support.servers`` does; "mod_wsgi" and "http-2" are started elsewhere.
        websocket: whether clients get a WebSocket. All get long-polling.
        holds: what of the server's own an idle client costs.
        tls: the server ends TLS itself.
    """

    name: str
    hosts: tuple[str, ...]
    websocket: bool = True
    holds: str = "nothing"
    note: str = ""
    tls: bool = False


ROWS = (
    Row("gunicorn ``-k gevent``", ("gunicorn-gevent",), note="the usual choice"),
    Row("gunicorn ``-k gthread``", ("gunicorn-gthread",), note="plain threads; four carry thousands of clients"),
    Row("gunicorn ``-k sync``", ("gunicorn-sync",), note="your own pages one at a time, as ever"),
    Row("gunicorn ``-k gevent_pywsgi``, gevent's pywsgi", ("gunicorn-gevent_pywsgi", "pywsgi")),
    Row(
        "gevent-websocket's handler and gunicorn worker",
        ("gunicorn-gevent-websocket", "pywsgi-gevent-websocket"),
        note="for old deployments",
    ),
    Row("uWSGI", ("uwsgi",), note="``http-socket``, any build"),
    Row(
        "Werkzeug (``flask run``), Django's ``runserver``",
        ("werkzeug", "werkzeug-debugger", "werkzeug-single", "django"),
        note="with the debugger, too",
    ),
    Row("wsgiref, cheroot (CherryPy)", ("wsgiref", "wsgiref-threads", "cheroot")),
    Row("``io.listen``, the embedded server", ("own-threads", "own-gevent"), note="or gevent, where it is patched in"),
    Row(
        "TLS ended by gevent's servers",
        ("gunicorn-gevent", "pywsgi", "own-gevent"),
        holds="a greenlet",
        tls=True,
    ),
    Row(
        "TLS ended by servers on threads",
        ("gunicorn-gthread", "werkzeug", "cheroot", "own-threads"),
        holds="a thread",
        note="better ended by a proxy",
        tls=True,
    ),
    Row("HTTP/2 ended by gunicorn", ("http-2",), False, "a thread", note="a proxy's HTTP/2 is HTTP/1.1 to us"),
    Row("waitress", ("waitress",), False, "a thread", note="the socket cannot be reached"),
    Row("Apache's mod_wsgi", ("mod_wsgi",), False, "a thread", note="the socket is Apache's"),
)


def table() -> str:
    """The table as reStructuredText."""
    lines = [("web server", "WebSocket", "long-polling", "an idle client holds", "note")]
    lines += [(row.name, "yes" if row.websocket else "no", "yes", row.holds, row.note) for row in ROWS]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([rule, texts[0], rule, *texts[1:], rule]) + "\n"


def with_table(page: str) -> str:
    """A page with the table between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, "the page lacks the marks around the table"
    return before + begin + table() + end + after


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(with_table(path.read_text()))
