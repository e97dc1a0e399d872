"""Migration operations and grants that Django has no words for: sharded keys, append-only tables, the application role."""

from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.migrations.operations.base import Operation

APPLICATION_ROLE = "timelyrain_app"


class _TableSQL(Operation):
    """SQL both ways on one model's table; `{table}` and `{name}` stand for it and for the constraint."""

    reversible = True
    forwards = backwards = ""

    def __init__(self, model: str) -> None:
        self.model = model

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def values(self) -> dict[str, str]:
        return {}

    def _execute(self, sql: str, app_label: str, schema_editor: Any, state: Any) -> None:
        table = state.apps.get_model(app_label, self.model)._meta.db_table
        for key, value in {"table": table, **self.values()}.items():
            sql = sql.replace(f"{{{key}}}", value)
        schema_editor.execute(sql, params=None)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._execute(self.forwards, app_label, schema_editor, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._execute(self.backwards, app_label, schema_editor, from_state)

    def describe(self) -> str:
        return f"{type(self).__name__} {self.model}"


class ShardKey(_TableSQL):
    """Make (shard, id) the primary key; Django goes on looking rows up by the globally unique id."""

    forwards = """ALTER TABLE "{table}" DROP CONSTRAINT "{table}_pkey", ADD CONSTRAINT "{table}_pkey" PRIMARY KEY (shard, id)"""
    backwards = """ALTER TABLE "{table}" DROP CONSTRAINT "{table}_pkey", ADD CONSTRAINT "{table}_pkey" PRIMARY KEY (id)"""


class ShardReference(_TableSQL):
    """A foreign key inside the shard: (shard, column) -> target (shard, id)."""

    forwards = """ALTER TABLE "{table}" ADD CONSTRAINT "{table}_{column}_same_shard"
        FOREIGN KEY (shard, "{column}") REFERENCES "{target}" (shard, id)"""
    backwards = """ALTER TABLE "{table}" DROP CONSTRAINT "{table}_{column}_same_shard\""""

    def __init__(self, model: str, column: str, target: str) -> None:
        super().__init__(model)
        self.column, self.target = column, target

    def values(self) -> dict[str, str]:
        return {"column": self.column, "target": self.target}


class AppendOnly(_TableSQL):
    """Refuse UPDATE, DELETE and TRUNCATE by anyone, the owner included; the grants refuse the application a second time."""

    forwards = """
        CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
        END $$;
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}"
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        """
    backwards = """DROP TRIGGER append_only ON "{table}\""""


def grant_application_role(using: str, **_: Any) -> None:
    """After each migrate: everything to the application role except changing what is append only.

    A model says `append_only = True` (insert and read) or `read_only = True` (read; rows come through a database function).
    """
    connection = connections[using]
    with transaction.atomic(using), connection.cursor() as cursor:  # nobody sees the rights half given
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APPLICATION_ROLE])
        if cursor.fetchone() is None:
            return  # a given server with a single role: the append-only triggers still hold
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {APPLICATION_ROLE}")
        cursor.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APPLICATION_ROLE}"
        )
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {APPLICATION_ROLE}")
        existing = set(connection.introspection.table_names(cursor))
        for model in apps.get_models():
            if model._meta.db_table not in existing:
                continue
            if getattr(model, "read_only", False):
                cursor.execute(
                    f'REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON "{model._meta.db_table}" FROM {APPLICATION_ROLE}'
                )
            elif getattr(model, "append_only", False):
                cursor.execute(
                    f'REVOKE UPDATE, DELETE, TRUNCATE ON "{model._meta.db_table}" FROM {APPLICATION_ROLE}'
                )
        cursor.execute(f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {APPLICATION_ROLE}")
