//! Tenants are kept apart by the database: every table, every login role, with a forgotten tenant and with another one.

use media_devstack::{DatabaseRole, Isolated};
use media_domain::AssetId;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{
    catalogue::{Attempt, Table, attempt, columns, connect, login_roles, place, rows, run, set_tenant, superuser, tables, texts},
    seed::{Seeded, insert_sql, seed},
};

const POLICY: &str = "(tenant_id = ( SELECT media.current_tenant() AS current_tenant))";

#[tokio::test]
async fn every_table_with_a_tenant_forces_row_level_security_by_the_tenants_policy() {
    let place = place("schema-rls").await;
    let mut superuser = superuser(&place).await;
    run(&mut superuser, "SET search_path = pg_catalog").await;
    for Table { name, has_tenant } in tables(&mut superuser).await {
        if !has_tenant {
            continue;
        }
        let on = texts(
            &mut superuser,
            &format!("SELECT format('%s %s', relrowsecurity, relforcerowsecurity) FROM pg_class WHERE oid = '{name}'::regclass"),
        )
        .await;
        assert_eq!(on, ["t t"], "{name}: row level security on, and forced");
        let policies = texts(
            &mut superuser,
            &format!(
                "SELECT concat_ws(' ', polname, polpermissive, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
                 FROM pg_policy WHERE polrelid = '{name}'::regclass AND polroles <> ARRAY['media_across'::regrole::oid]"
            ),
        )
        .await;
        assert_eq!(policies, [format!("tenant t * {{-}} {POLICY} {POLICY}")], "{name}: one policy, for all roles and all commands");
        let nullable = texts(
            &mut superuser,
            &format!(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = '{name}'::regclass AND attname = 'tenant_id' AND NOT attnotnull"
            ),
        )
        .await;
        assert!(nullable.is_empty(), "{name}: a row without a tenant is nobody's");
    }
}

#[tokio::test]
async fn a_forgotten_tenant_reads_no_row_and_writes_none() {
    let mut world = World::new("schema-forgotten-tenant").await;
    let theirs = AssetId::generate().as_uuid();
    for (role, name) in login_roles() {
        let mut connection = connect(&world.place, role).await;
        world.nothing_of_a(&mut connection, name, None).await;
        // After a transaction that had a tenant the setting is '' and not NULL on that connection.
        let mut tx = connection.begin().await.unwrap();
        set_tenant(&mut tx, theirs).await;
        tx.commit().await.unwrap();
        world.nothing_of_a(&mut connection, name, None).await;
    }
    world.is_as_it_was().await;
}

#[tokio::test]
async fn another_tenant_sees_nothing_of_a_tenants_and_cannot_write_it() {
    let mut world = World::new("schema-other-tenant").await;
    let b = seed(&mut world.superuser, AssetId::generate().as_uuid(), "b's").await;
    for (role, name) in login_roles() {
        let mut connection = connect(&world.place, role).await;
        world.nothing_of_a(&mut connection, name, Some(b.tenant)).await;
        world.a_row_cannot_be_given_to_a(&mut connection, name, b.tenant).await;
    }
    world.is_as_it_was().await;
}

/// Without this, the two above could pass because nobody ever sees anything.
#[tokio::test]
async fn a_tenant_reads_and_writes_its_own() {
    let mut world = World::new("schema-own-tenant").await;
    let mut worked = 0;
    for (role, name) in login_roles() {
        let mut connection = connect(&world.place, role).await;
        for table in world.tables.clone().into_iter().filter(|table| table.has_tenant) {
            for (privilege, sql) in world.touching(name, &table.name).await {
                let attempt = attempt(&mut connection, Some(world.a.tenant), &sql).await;
                let may = world.may(name, &table.name, privilege).await;
                assert_eq!(attempt, if may { Attempt::Rows(1) } else { Attempt::Denied }, "{name}: {sql}");
                worked += usize::from(may);
            }
        }
    }
    assert!(worked > 50, "{worked}");
}

#[tokio::test]
async fn a_table_without_a_tenant_is_closed_to_every_login_role() {
    let mut world = World::new("schema-no-tenant").await;
    for table in world.tables.clone().into_iter().filter(|table| !table.has_tenant) {
        for (_, name) in login_roles() {
            for privilege in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
                assert!(!world.may(name, &table.name, privilege).await, "{name} may {privilege} on {}", table.name);
            }
        }
    }
}

/// But for the few tables on which media_across has a policy: to hand functions over to it, the owner is its member.
#[tokio::test]
async fn the_owner_of_the_tables_is_bound_too() {
    let mut world = World::new("schema-owner").await;
    let mut owner = connect(&world.place, DatabaseRole::Owner).await;
    let across =
        texts(&mut world.superuser, "SELECT polrelid::regclass::text FROM pg_policy WHERE polroles = ARRAY['media_across'::regrole::oid]")
            .await;
    for table in world.tables.clone().into_iter().filter(|table| table.has_tenant && !across.contains(&table.name)) {
        assert_eq!(attempt(&mut owner, None, &format!("SELECT * FROM {}", table.name)).await, Attempt::Rows(0), "{}", table.name);
    }
    world.is_as_it_was().await;
}

#[tokio::test]
async fn no_view_shows_what_its_owner_sees() {
    let place = place("schema-views").await;
    let views = texts(
        &mut superuser(&place).await,
        "SELECT oid::regclass::text FROM pg_class
         WHERE relkind IN ('v', 'm') AND relnamespace = 'media'::regnamespace AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)",
    )
    .await;
    assert!(views.is_empty(), "{views:?}");
}

/// A database in which tenant A has a row in every table.
struct World {
    place: Isolated,
    superuser: PgConnection,
    tables: Vec<Table>,
    a: Seeded,
    before: Vec<String>,
}

impl World {
    async fn new(name: &str) -> Self {
        let place = place(name).await;
        let mut superuser = superuser(&place).await;
        let a = seed(&mut superuser, AssetId::generate().as_uuid(), "a's").await;
        let tables = tables(&mut superuser).await;
        let mut world = World { place, superuser, tables, a, before: vec![] };
        world.before = world.rows_of_a().await;
        world
    }

    async fn rows_of_a(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for table in self.tables.iter().filter(|table| table.has_tenant) {
            let sql = format!("SELECT to_jsonb(t)::text FROM {} t WHERE tenant_id = '{}'", table.name, self.a.tenant);
            let rows = texts(&mut self.superuser, &sql).await;
            assert!(!rows.is_empty(), "{} has no row of A's", table.name);
            all.extend(rows);
        }
        all
    }

    async fn is_as_it_was(&mut self) {
        assert_eq!(self.rows_of_a().await, self.before);
    }

    /// Whether a role has a privilege on a table or any of its columns.
    async fn may(&mut self, role: &str, table: &str, privilege: &str) -> bool {
        let asked = if privilege == "DELETE" { "has_table_privilege" } else { "has_any_column_privilege" };
        !rows(&mut self.superuser, &format!("SELECT WHERE {asked}('{role}', '{table}', '{privilege}')")).await.is_empty()
    }

    /// The columns that a role may write; all, so that it is denied, where it may write none.
    async fn writable(&mut self, role: &str, table: &str, privilege: &str) -> Vec<String> {
        let all: Vec<String> = columns(&mut self.superuser, table).await.into_iter().filter(|c| !c.generated).map(|c| c.name).collect();
        let sql = format!(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
               AND attidentity = '' AND attgenerated = '' AND has_column_privilege('{role}', attrelid, attnum, '{privilege}')"
        );
        let writable = texts(&mut self.superuser, &sql).await;
        if writable.is_empty() { all } else { writable }
    }

    /// A read, a change that changes nothing, and a deletion of all that is visible.
    async fn touching(&mut self, role: &str, table: &str) -> [(&'static str, String); 3] {
        let column = self.writable(role, table, "UPDATE").await.swap_remove(0);
        [
            ("SELECT", format!("SELECT * FROM {table}")),
            ("UPDATE", format!("UPDATE {table} SET \"{column}\" = \"{column}\"")),
            ("DELETE", format!("DELETE FROM {table}")),
        ]
    }

    /// Holds a role, in a transaction for `tenant` or for none, away from all rows of A's.
    async fn nothing_of_a(&mut self, connection: &mut PgConnection, role: &str, tenant: Option<Uuid>) {
        for table in self.tables.clone() {
            let own = u64::from(tenant.is_some() && table.has_tenant);
            for (privilege, sql) in self.touching(role, &table.name).await {
                let attempt = attempt(connection, tenant, &sql).await;
                let may = self.may(role, &table.name, privilege).await;
                assert_eq!(attempt, if may { Attempt::Rows(own) } else { Attempt::Denied }, "{role}: {sql}");
            }
            let Some(row) = self.a.rows.get(&table.name).cloned() else { continue };
            let names = self.writable(role, &table.name, "INSERT").await;
            let sql = insert_sql(&table.name, names.iter(), &row);
            assert_eq!(attempt(connection, tenant, &sql).await, Attempt::Denied, "{role}: {sql}");
        }
    }

    /// A tenant's own row cannot become A's.
    async fn a_row_cannot_be_given_to_a(&mut self, connection: &mut PgConnection, role: &str, tenant: Uuid) {
        for table in self.tables.clone().into_iter().filter(|table| table.has_tenant) {
            let sql = format!("UPDATE {} SET tenant_id = '{}'", table.name, self.a.tenant);
            assert_eq!(attempt(connection, Some(tenant), &sql).await, Attempt::Denied, "{role}: {sql}");
        }
    }
}
