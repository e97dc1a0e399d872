"""Staff in the console: people get roles, roles are defined in `roles.py` and only shown here."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from timelyrain.audit import services as audit
from timelyrain.runtime.admin import ReadOnlyAdmin, named
from timelyrain.runtime.glossary import label, words
from timelyrain.runtime.panels import Panel, Table, on_page

admin.site.index_template, admin.site.login_template = "console/dashboard.html", "console/login.html"
admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Accounts of staff. Nobody makes a superuser here or changes their own roles; accounts are closed, not deleted."""

    title = words("用户", "Users")
    form, add_form, change_password_form = UserChangeForm, UserCreationForm, AdminPasswordChangeForm
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "email")}),
        (label("roles"), {"fields": ("is_active", "is_staff", "groups")}),
        (None, {"fields": ("last_login", "date_joined")}),
    )
    list_display = ("username", "first_name", "roles", "is_active", "last_login")
    list_filter = ("groups", "is_active")
    readonly_fields = ("last_login", "date_joined")
    actions = None

    @admin.display(description=label("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(user.groups.values_list("name", flat=True))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return named(self, super().changelist_view(request, extra_context))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ("username", "is_active", "is_staff", "groups") if obj == request.user else ()
        return (*self.readonly_fields, *own)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._keep("user_added", request, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._keep("user_changed", request, obj)
        return super().log_change(request, obj, message)

    def _keep(self, act: str, request: HttpRequest, user: User) -> None:
        names = sorted(user.groups.values_list("name", flat=True))
        actor = request.user.get_username()
        audit.record(0, act, actor=actor, subject=user.username, roles=names, active=user.is_active)


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    title = words("角色", "Roles")
    columns = ("name",)
    ordering = ("name",)


@on_page("auth.group", "auth.view_group", order=10)
def _permissions(request: HttpRequest, group: Group) -> Panel:
    found = Permission.objects.filter(group=group).order_by("content_type__app_label", "codename")
    rows = [(f"{p.content_type.app_label}.{p.codename}",) for p in found.select_related("content_type")]
    return Panel(words("权限", "Permissions"), table=Table(("permission",), rows, search=True), wide=True)


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    title = words("操作日志", "Console log")
    columns = ("id", "action_time", "user", "object_repr", "change_message")
