"""What a running deployment does with long-polling and WebSockets: the server's part and what proxies make of it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Generator
from collections.abc import Iterator
from datetime import datetime
from datetime import timezone
from http.client import HTTPException
from typing import Any

from socketio_sync.cli.findings import Finding
from socketio_sync.cli.findings import fault
from socketio_sync.cli.findings import ok
from socketio_sync.cli.findings import warning
from socketio_sync.cli.probe import Answer
from socketio_sync.cli.probe import Deployment
from socketio_sync.cli.probe import WebSocket
from socketio_sync.cli.probe import reason_of

_FAILURES = (OSError, HTTPException)

# Engine.IO's code for what is forbidden.
_FORBIDDEN = 4

# With two workers all of so many sessions stay with theirs by chance once in 64 times.
_SESSIONS = 6
# An answer that the server has at once may take so long, in seconds.
_SOON = 2.0
# Certificates are renewed about a month before their end; so many days before it is late.
_DAYS = 14
# A namespace that nobody has: its refusal is an answer that can be asked for at any time, from any server.
_NOWHERE = "/socketio-sync-doctor"

_PASS_ON = """\
Let the proxy pass the upgrade on. nginx:
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
Apache: ProxyPass with upgrade=websocket. haproxy and Caddy do it by themselves; a CDN has a switch for it."""
_PASS_HOST = """\
The origin is compared with the header Host. If a proxy changes it, let it pass it on. nginx:
    proxy_set_header Host $http_host;
If your pages come from elsewhere, give --origin; else name the origin in cors_allowed_origins."""

_UNBUFFERED = "Switch the proxy's buffering off for this path (nginx: proxy_buffering off;), and caches."


class Stop(Exception):
    """There is no sense in looking further."""


def check_url(deployment: Deployment, idle: bool) -> Iterator[Finding]:
    """Look at one, step by step; ``idle``: wait for a ping in silence, as long as the server's ping_interval is."""
    try:
        yield from _check_tls(deployment)
        handshake = yield from _check_handshake(deployment)
        sticky = yield from _check_sessions(deployment)
        if sticky:
            yield from _check_polling(deployment)
        yield from _check_websocket(deployment, handshake, idle)
    except Stop:
        return
    except _FAILURES as error:
        yield fault(f"then a request failed: {reason_of(error)}", "Look into the logs of the proxy and of the server.")


def _check_tls(deployment: Deployment) -> Iterator[Finding]:
    """Reach it at all; with https look at the certificate."""
    try:
        connection = deployment.connect()
    except ssl.SSLCertVerificationError as error:
        yield fault(f"the certificate is not valid: {error.verify_message}", _certificate_cure(error.verify_message))
        deployment.tls = ssl._create_unverified_context()
        return
    except ssl.SSLError as error:
        yield fault(f"no TLS is spoken at port {deployment.port} ({error.reason})", "Is it http:// in place of https://?")
        raise Stop from None
    except OSError as error:
        cure = "Does the server run? Is the port right? With --host 127.0.0.1 it is reachable from its machine only."
        yield fault(f"{deployment.origin} cannot be reached: {reason_of(error)}", cure)
        raise Stop from None
    sock: Any = connection.sock
    if deployment.tls is not None:
        yield _expiry(sock.getpeercert()["notAfter"], sock.version())
    connection.close()


def _certificate_cure(message: str) -> str:
    if "expired" in message:
        return "Renew it, and let the web server read it anew."
    if "local issuer" in message:
        return (
            "Serve the whole chain: the certificate and those in between, in one file (fullchain.pem). For an authority"
            " of your own: SSL_CERT_FILE=authority.pem."
        )
    if "self" in message:
        return "Browsers refuse it as well; Let's Encrypt gives real ones."
    return "It must name this very host."


def _expiry(not_after: str, version: str) -> Finding:
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), timezone.utc)
    days = (end - datetime.now(timezone.utc)).days
    text = f"{version}, the certificate is valid for {days} more days"
    return ok(text) if days >= _DAYS else warning(text, "Renew it.")


def _check_handshake(deployment: Deployment) -> Generator[Finding, None, dict[str, Any]]:
    """Open a session by long-polling as a page does; returns what the server announces."""
    try:
        answer = deployment.ask("transport=polling")
        if answer.error is not None and answer.error["code"] == _FORBIDDEN:
            answer = yield from _without_origin(deployment, answer)
    except _FAILURES as error:
        cure = "Look into the logs of the proxy and of the server."
        if deployment.tls is None:
            cure += " Or is it https://?"
        yield fault(f"the handshake failed: {reason_of(error)}", cure)
        raise Stop from None
    opened = _opened(answer.text) if answer.status == 200 else None
    if opened is None:
        yield _explain(deployment, answer)
        raise Stop
    where = f"{deployment.origin}{deployment.path}"
    yield ok(f"{where}: a session was opened by long-polling in {answer.seconds * 1000:.0f} ms")
    yield ok(f"ping every {opened['pingInterval'] / 1000:g} s, messages up to {opened.get('maxPayload', 0)} bytes")
    _leave(deployment, opened["sid"])
    if deployment.page not in (None, deployment.origin):
        yield _check_cors(deployment.page, answer)
    return opened


def _without_origin(deployment: Deployment, refusal: Answer) -> Generator[Finding, None, Answer]:
    """Whether the origin is to blame for a refusal; if so, go on without one."""
    page, deployment.page = deployment.page, None
    answer = deployment.ask("transport=polling")
    if answer.status != 200:
        return refusal
    own = page == deployment.origin
    cure = _PASS_HOST if own else f"cors_allowed_origins=[{page!r}] in the server's options."
    yield fault(f"pages of {page}{' itself' if own else ''} are refused", cure)
    return answer


def _opened(text: str) -> dict[str, Any] | None:
    """The announcement of an open packet."""
    try:
        opened = json.loads(text[1:].split("\x1e")[0]) if text.startswith("0") else None
    except ValueError:
        return None
    return opened if isinstance(opened, dict) and "sid" in opened and "pingInterval" in opened else None


def _leave(deployment: Deployment, sid: str) -> Answer:
    return deployment.ask(f"transport=polling&sid={sid}", "POST", b"1", Content_Type="text/plain;charset=UTF-8")


def _explain(deployment: Deployment, answer: Answer) -> Finding:
    """Why the handshake was not answered by an open packet."""
    error = answer.error
    url = f"{deployment.origin}{deployment.path}"
    if error is not None and error["code"] == _FORBIDDEN:
        return fault(f"the server refuses us: {error['message']}", "allow_request or a middleware of yours says so.")
    if error is not None and error["code"] == 0:
        return fault("the server has no long-polling", "transports=('websocket',) there? Then look with a client.")
    if error is not None:
        return fault(f"the server refuses: {error['message']}", f"code {error['code']} of Engine.IO")
    if 300 <= answer.status < 400:
        return fault(f"{url} redirects to {answer.headers.get('Location')}", "Give clients that address itself.")
    if answer.status in (401, 407):
        return fault(f"{url} wants a password (status {answer.status})", "Send it: --header 'Authorization: ...'.")
    if answer.status == 404:
        cure = "Is another path configured (then --path)? Does the proxy forward this one? Is WSGIApp around the app?"
        return fault(f"nothing is at {url}: status 404", cure)
    if answer.status >= 500:
        cure = "A proxy that does not reach the server, or a server that fails: look into both logs."
        return fault(f"{url} fails: status {answer.status}", cure)
    cure = "Something before the server answers: does the proxy forward this path?"
    return fault(f"{url} is answered by something else: status {answer.status}, {answer.text[:60]!r}", cure)


def _check_sessions(deployment: Deployment) -> Generator[Finding, None, bool]:
    """Whether further requests reach the same worker; returns it, too."""
    for _ in range(_SESSIONS):
        opened = _opened(deployment.ask("transport=polling").text)
        if opened is None:
            yield warning("a second session was refused", "max_connections, or a limit of the proxy?")
            return False
        answer = _leave(deployment, opened["sid"])
        if answer.status != 200:
            error = answer.error or {"message": f"status {answer.status}"}
            if error.get("code") == 1:
                cure = "Sticky sessions in the load balancer, or one worker, or transports=('websocket',) at both ends."
                yield fault(f"several workers, and requests reach any of them: {error['message']}", cure)
            else:
                yield fault(f"a POST is refused: {error['message']}", "Does the proxy let POST through?")
            return False
    yield ok("a session's requests reach its worker")
    return True


def _check_polling(deployment: Deployment) -> Iterator[Finding]:
    """A poll that waits is answered as soon as the server has something: nothing on the way holds it back."""
    opened = _opened(deployment.ask("transport=polling").text)
    if opened is None:
        return
    session = f"transport=polling&sid={opened['sid']}"
    poll = deployment.begin(session)
    question = f"40{_NOWHERE},".encode()
    posted = deployment.ask(session, "POST", question, Content_Type="text/plain;charset=UTF-8")
    try:
        answer = poll.answer()
    except TimeoutError:
        yield fault("a waiting poll is not answered, though the server has something to say", _UNBUFFERED)
        return
    _leave(deployment, opened["sid"])
    late = answer.seconds - posted.seconds
    if not answer.text.startswith(("44", "40")):
        cure = "Does a cache or a filter change answers?"
        yield fault(f"a poll got status {answer.status}, {answer.text[:60]!r}", cure)
    elif late > _SOON:
        yield warning(f"a waiting poll was answered {late:.1f} s too late", _UNBUFFERED)
    else:
        yield ok(f"a waiting poll was answered after {answer.seconds * 1000:.0f} ms: nothing buffers")


def _check_websocket(deployment: Deployment, handshake: dict[str, Any], idle: bool) -> Iterator[Finding]:
    if "websocket" not in handshake.get("upgrades", []):
        cure = (
            "Its web server gives no access to its sockets (waitress, mod_wsgi, HTTP/2), or transports or"
            " allow_upgrades say so. Long-polling works."
        )
        yield warning("the server offers no WebSocket", cure)
        return
    websocket = deployment.websocket()
    try:
        if not websocket.opened:
            yield _explain_upgrade(websocket.answer)
            return
        yield from _try(websocket, handshake["pingInterval"] / 1000, idle)
    finally:
        websocket.close()


def _explain_upgrade(answer: Answer) -> Finding:
    error = answer.error
    if answer.status == 101:
        return fault("a WebSocket was answered with a wrong key: something on the way made the answer up", _PASS_ON)
    if error is not None and error["code"] == _FORBIDDEN:
        return fault(f"the WebSocket is refused: {error['message']}", _PASS_HOST)
    if error is not None and error["code"] == 3:
        return fault("the upgrade to a WebSocket is swallowed on the way: the server saw a plain request", _PASS_ON)
    return fault(f"the upgrade to a WebSocket was answered with status {answer.status}", _PASS_ON)


def _try(websocket: WebSocket, ping_interval: float, idle: bool) -> Iterator[Finding]:
    """Send something in both directions; wait in silence if asked to."""
    try:
        opened = _opened(websocket.receive(_SOON * 3) or "")
        websocket.send(f"40{_NOWHERE},")
        answer = websocket.receive(_SOON * 3) or ""
    except OSError:
        opened, answer = None, ""
    if opened is None or not answer.startswith(("44", "40")):
        yield fault("a WebSocket opens, but nothing comes through it: something buffers or filters it", _PASS_ON)
        return
    yield ok("a WebSocket opens, and carries messages in both directions")
    if idle:
        yield _silence(websocket, ping_interval)


def _silence(websocket: WebSocket, ping_interval: float) -> Finding:
    try:
        message = websocket.receive(ping_interval + 5)
    except OSError as error:
        return fault(f"no ping came within {ping_interval + 5:g} s: {reason_of(error)}", "Does the server hang?")
    if message is None:
        cure = "Raise its limit above ping_interval (nginx: proxy_read_timeout 60s;), or lower ping_interval."
        return fault(f"something cuts a WebSocket that is silent for less than {ping_interval:g} s", cure)
    return ok(f"a WebSocket that was silent for {ping_interval:g} s still lives")


def _check_cors(page: str | None, answer: Answer) -> Finding:
    """Whether a browser would let a page of another origin read the answer."""
    allowed = answer.headers.get_all("Access-Control-Allow-Origin") or []
    if len(allowed) > 1:
        cure = "The server and the proxy, or two wrappers, add it: only Socket.IO may, for this path."
        return fault(f"Access-Control-Allow-Origin came {len(allowed)} times: browsers refuse that", cure)
    if allowed not in ([page], ["*"]):
        cure = "A proxy or a wrapper takes the header away or changes it: leave this path alone there."
        return fault(f"browsers refuse pages of {page}: Access-Control-Allow-Origin is {allowed}", cure)
    return ok(f"pages of {page} may connect")
