"""Weblate's own LibreTranslate machinery, from its package, against a server.

    pip install weblate                 # in an environment of its own
    seq2seq serve demo                  # in ours
    python tests/soak/weblate_client.py http://127.0.0.1:5000/ [TOKEN]

Nothing of Weblate is changed; its settings are its example's, without a database.
"""

from __future__ import annotations

import os
import sys
from unittest.mock import MagicMock

import django
from django.conf import settings

if __name__ == "__main__":
    url, key = sys.argv[1], (sys.argv[2:] or [""])[0]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "weblate.settings_example")
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }
    settings.DATABASES = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    }
    # What draws its pictures has no wheels, and the machinery draws none.
    for name in ("cairo", "gi", "gi.repository"):
        sys.modules[name] = MagicMock()
    django.setup()
    from weblate.machinery.libretranslate import LibreTranslateTranslation

    machinery = LibreTranslateTranslation({"url": url, "key": key})
    machinery.validate_settings()
    assert sorted(machinery.download_languages()) == ["de", "en"]
    assert machinery.is_supported("en", "de")
    texts = ["The old man buys a red car.", "The dog sleeps."]
    translated = machinery.download_multiple_translations(
        "en", "de", [(text, None) for text in texts]
    )
    for text in texts:
        print(text, "->", translated[text][0]["text"])
    assert translated[texts[1]][0]["text"] == "Der Hund schläft."
