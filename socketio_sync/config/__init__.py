"""Every option of servers, its default, its meaning and its check."""

from __future__ import annotations

from socketio_sync.config.checks import check_duration as check_duration
from socketio_sync.config.options import CompressionOptions as CompressionOptions
from socketio_sync.config.options import CookieOptions as CookieOptions
from socketio_sync.config.options import DeflateOptions as DeflateOptions
from socketio_sync.config.options import EngineOptions as EngineOptions
from socketio_sync.config.options import RecoveryOptions as RecoveryOptions
from socketio_sync.config.options import ServerOptions as ServerOptions
