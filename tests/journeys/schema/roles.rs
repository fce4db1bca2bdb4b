//! Who may do what: login roles own nothing, bypass nothing and make nothing.

use super::catalogue::{NOT_ITS_OWN, login_roles, place, superuser, tables, texts};

#[tokio::test]
async fn the_roles_that_log_in_are_those_of_the_binaries_and_the_autoscalers() {
    let place = place("schema-roles").await;
    let mut known = texts(
        &mut superuser(&place).await,
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'media\\_%' AND rolcanlogin AND rolname <> 'media_owner' ORDER BY 1",
    )
    .await;
    known.sort();
    let mut expected: Vec<_> = login_roles().map(|(_, name)| name).collect();
    expected.sort_unstable();
    assert_eq!(known, expected);
}

#[tokio::test]
async fn no_role_of_ours_bypasses_row_level_security_or_can_make_another() {
    let place = place("schema-role-attributes").await;
    let powers = texts(
        &mut superuser(&place).await,
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'media\\_%' AND rolname <> 'media_owner'
           AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)",
    )
    .await;
    assert!(powers.is_empty(), "{powers:?}");
    let across =
        texts(&mut superuser(&place).await, "SELECT rolname::text FROM pg_roles WHERE rolname = 'media_across' AND NOT rolcanlogin").await;
    assert_eq!(across, ["media_across"]);
}

#[tokio::test]
async fn a_login_role_belongs_to_no_other_role() {
    let place = place("schema-memberships").await;
    for (_, role) in login_roles() {
        let groups = texts(
            &mut superuser(&place).await,
            &format!("SELECT roleid::regrole::text FROM pg_auth_members WHERE member = '{role}'::regrole"),
        )
        .await;
        assert!(groups.is_empty(), "{role} belongs to {groups:?}");
    }
}

#[tokio::test]
async fn a_login_role_owns_nothing_and_may_create_nothing() {
    let place = place("schema-ownership").await;
    let mut superuser = superuser(&place).await;
    for (_, role) in login_roles() {
        let owned = texts(
            &mut superuser,
            &format!(
                "SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend
                 WHERE refclassid = 'pg_authid'::regclass AND refobjid = '{role}'::regrole AND deptype = 'o'
                   AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"
            ),
        )
        .await;
        assert!(owned.is_empty(), "{role} owns {owned:?}");
        let creates = texts(
            &mut superuser,
            &format!(
                "SELECT 'schema ' || n.nspname FROM pg_namespace n WHERE {NOT_ITS_OWN} AND has_schema_privilege('{role}', n.oid, 'CREATE')
                 UNION ALL SELECT 'database' WHERE has_database_privilege('{role}', current_database(), 'CREATE')"
            ),
        )
        .await;
        assert!(creates.is_empty(), "{role} may create in {creates:?}");
    }
}

#[tokio::test]
async fn media_across_owns_functions_only_and_may_create_nothing() {
    let place = place("schema-across").await;
    let mut superuser = superuser(&place).await;
    let owned = texts(
        &mut superuser,
        "SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend
         WHERE refclassid = 'pg_authid'::regclass AND refobjid = 'media_across'::regrole AND deptype = 'o' AND classid <> 'pg_proc'::regclass
           AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))",
    )
    .await;
    assert!(owned.is_empty(), "{owned:?}");
    let creates =
        texts(&mut superuser, "SELECT nspname::text FROM pg_namespace WHERE has_schema_privilege('media_across', oid, 'CREATE')").await;
    assert!(creates.is_empty(), "{creates:?}");
}

/// TRUNCATE asks no policy, a foreign key tells of rows that its maker may not see, and a trigger runs as whoever writes.
#[tokio::test]
async fn no_login_role_may_do_what_row_level_security_does_not_bind() {
    let place = place("schema-truncate").await;
    let mut superuser = superuser(&place).await;
    for table in tables(&mut superuser).await {
        for (_, role) in login_roles().chain([(media_devstack::DatabaseRole::Superuser, "media_across")]) {
            for privilege in ["TRUNCATE", "REFERENCES", "TRIGGER"] {
                let may =
                    texts(&mut superuser, &format!("SELECT '' WHERE has_table_privilege('{role}', '{}', '{privilege}')", table.name)).await;
                assert!(may.is_empty(), "{role} may {privilege} {}", table.name);
            }
        }
    }
}

#[tokio::test]
async fn nothing_of_the_schema_is_everybodys() {
    let place = place("schema-public").await;
    let open = texts(
        &mut superuser(&place).await,
        "SELECT c.oid::regclass::text FROM pg_class c, aclexplode(c.relacl) acl WHERE c.relnamespace = 'media'::regnamespace AND acl.grantee = 0
         UNION ALL SELECT nspname::text FROM pg_namespace, aclexplode(nspacl) acl WHERE nspname = 'media' AND acl.grantee = 0",
    )
    .await;
    assert!(open.is_empty(), "{open:?}");
}
