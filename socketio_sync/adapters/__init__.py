"""Rooms, sending to many, and the clusters in which several servers do so together."""

from __future__ import annotations

from socketio_sync.adapters.adapter import Adapter

__all__ = ["Adapter"]
