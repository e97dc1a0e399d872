"""Two pages beside the API: health, and what each kind of problem means."""

from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.html import format_html

from timelyrain.runtime.problems import catalogue


def health(request: HttpRequest) -> HttpResponse:
    """200 when the database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


def problem_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Where the `type` of a problem leads: its title and status."""
    kind = catalogue().get(slug)
    if kind is None:
        raise Http404(f"no problem is called {slug}")
    return HttpResponse(
        format_html(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>{0}</title><h1>{0}</h1>'
            "<p>HTTP status {1}. <code>detail</code> says what was wrong with which value, <code>remedy</code> what to do.</p>",
            kind.title,
            kind.status,
        )
    )
