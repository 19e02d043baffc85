"""The pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView
from django.contrib.auth.views import LogoutView
from django.urls import path

from board import views

urlpatterns = [
    path("", views.index),
    path("online/", views.online),
    path("login/", LoginView.as_view(template_name="login.html")),
    path("logout/", LogoutView.as_view()),
]
