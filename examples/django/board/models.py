"""The notices."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Notice(models.Model):
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    text = models.CharField(max_length=500)
    written = models.DateTimeField(auto_now_add=True)

    def as_dict(self):
        """What pages get."""
        return {"author": self.author.get_username(), "text": self.text, "written": self.written}
