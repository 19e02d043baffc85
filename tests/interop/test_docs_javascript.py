"""The JavaScript of the guides, run by Node with the official client against the guides' own servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support import pages
from tests.support.javascript import JavaScript


@contextmanager
def served(page: str) -> Iterator[tuple[dict[str, Any], str, list[str]]]:
    """The names of a guide's Python program, the address of its server, and the guide's JavaScript."""
    program = pages.run(page)
    with program["io"].listening() as server:
        yield program, server.url, [sample.code for sample in pages.samples(page, "javascript")]


def test_acks(js: JavaScript) -> None:
    with served("howto/acks.rst") as (_, url, (add, sure, store)):
        assert js(f"const socket = await connect(url); {add}; return sum;", url=url) == 3
        answers = js(
            f"""const socket = await connect(url); {sure}
            return [await socket.emitWithAck("delete", "plan"), await socket.emitWithAck("delete", "everything")];""",
            url=url,
        )
        assert answers == ["deleted", "kept"]
        assert js(f"{store}; patient.disconnect(); return stored;", url=url) == "stored"


def test_recovery(js: JavaScript) -> None:
    with served("howto/recovery.rst") as (page, url, (told, durable)):
        lines = js(
            f"""const lines = []; const console = {{ log: (line) => lines.push(line) }};
            const socket = dial(url, {{ reconnection: true, reconnectionDelay: 10 }}); {told}
            await once(socket, "connect");
            socket.io.engine.close();
            await once(socket, "connect");
            return lines;""",
            url=url,
        )
        assert lines == ["anew: load everything", "where we were"]
        page["publish"]("one")
        read = js(
            f"""{durable}
            await until(() => read === 1);
            kept.durable = durable; kept.read = () => read;
            return read;""",
            url=url,
        )
        page["publish"]("two")
        js("await until(() => kept.read() === 2); kept.durable.disconnect();")
        assert read == 1


def test_cors(js: JavaScript) -> None:
    program = pages.run("howto/cors.rst")
    (credentials,) = (sample.code for sample in pages.samples("howto/cors.rst", "javascript"))
    with program["shop"].listening() as server:
        code = credentials.replace("https://api.shop.example", server.url)
        assert js(f'{code}; await once(socket, "connect"); socket.disconnect(); return "connected";') == "connected"


def test_namespaces(js: JavaScript) -> None:
    with served("howto/namespaces.rst") as (_, url, (admin,)):
        code = f"""{admin}; await once(admin, "connect");
            const count = await admin.emitWithAck("ban", "nobody"); admin.disconnect(); return count;"""
        assert js(code, url=url) == 1
