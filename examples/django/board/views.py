"""Ordinary views."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import render

from board.live import io
from board.live import online_users


@login_required
def index(request):
    return render(request, "index.html", {"user": request.user})


@login_required
def online(request):
    """A view may ask the server, and emit as well."""
    return JsonResponse({"users": online_users(), "sockets": len(io.sockets)})
