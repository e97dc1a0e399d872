"""Composition root: which face answers at which path."""

from django.contrib import admin
from django.urls import include, path
from django.views.i18n import set_language

from timelyrain.api.app import api
from timelyrain.api.borrower_routes import router as borrower_router
from timelyrain.api.list_routes import router as list_router
from timelyrain.api.loan_routes import router as loan_router
from timelyrain.api.operations_routes import router as operations_router
from timelyrain.api.views import health, problem_page

api.add_router("", borrower_router)
api.add_router("/operations", operations_router)
api.add_router("/operations", loan_router)
api.add_router("/operations", list_router)

urlpatterns = [
    path("api/v1/", api.urls),
    path("health", health),
    path("problems/<slug:slug>", problem_page),
    path("language", set_language, name="set_language"),
    path("console/", admin.site.urls),
    path("", include("timelyrain.borrower.urls")),
]
