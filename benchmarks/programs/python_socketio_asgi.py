"""python-socketio on asyncio: ``python python_socketio_asgi.py PORT`` runs it on uvicorn with uvloop."""

import os
import sys

import socketio
import uvicorn

sio = socketio.AsyncServer(
    async_mode="asgi", max_http_buffer_size=4_000_000, ping_interval=float(os.environ.get("PING_INTERVAL", 25))
)


@sio.event
async def echo(sid, payload):
    return payload


@sio.event
async def bcast(sid, payload):
    await sio.emit("bcast", payload)


@sio.event
async def say(sid, room, payload):
    await sio.emit("bcast", payload, to=room)


@sio.event
async def join(sid, rooms):
    for room in rooms:
        await sio.enter_room(sid, room)
    return len(rooms)


@sio.event
async def leave(sid, rooms):
    for room in rooms:
        await sio.leave_room(sid, room)
    return len(rooms)


@sio.event
async def sink(sid, *payload):
    pass


if __name__ == "__main__":
    uvicorn.run(
        socketio.ASGIApp(sio),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="critical",
        loop="uvloop",
        ws="websockets",
        ws_per_message_deflate=False,
        ws_max_size=4_000_000,
        backlog=4096,
    )
