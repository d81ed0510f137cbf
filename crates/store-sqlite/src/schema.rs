//! The tables, as diesel knows them. What they are for stands in `migrations/sqlite`.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    acks (broadcast_id, user_id) {
        broadcast_id -> Binary,
        user_id -> Text,
        role -> Text,
        acked_at -> BigInt,
    }
}

table! {
    broadcasts (id) {
        id -> Binary,
        status -> Text,
        version -> BigInt,
        kind -> Text,
        content -> Text,
        publish_at -> BigInt,
        late -> BigInt,
        sent_at -> Nullable<BigInt>,
        position -> Nullable<BigInt>,
        created_by -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        key_scope -> Nullable<Text>,
        key -> Nullable<Text>,
        fingerprint -> Nullable<Binary>,
    }
}

table! {
    audit (id) {
        id -> BigInt,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        subject -> Text,
        detail -> Text,
        key -> Nullable<Binary>,
    }
}

table! {
    log_head (id) {
        id -> BigInt,
        epoch -> BigInt,
        position -> BigInt,
        trimmed -> BigInt,
        secret -> Binary,
    }
}

table! {
    notifications (position) {
        position -> BigInt,
        id -> Binary,
        event_id -> Binary,
        room -> Text,
        event -> Nullable<Text>,
        #[sql_name = "type"]
        kind -> Text,
        title -> Text,
        message -> Text,
        data -> Text,
        priority -> Text,
        action_url -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

table! {
    blocked_users (user_id) {
        user_id -> Text,
        position -> BigInt,
    }
}

table! {
    idempotency_keys (scope, key) {
        scope -> Text,
        key -> Text,
        fingerprint -> Binary,
        event_id -> Binary,
        created_at -> BigInt,
    }
}

table! {
    inbox (user_id, room) {
        user_id -> Text,
        room -> Text,
        since -> BigInt,
        read_up_to -> BigInt,
    }
}

table! {
    inbox_reads (user_id, room, up_to) {
        user_id -> Text,
        room -> Text,
        up_to -> BigInt,
        read_at -> BigInt,
    }
}

table! {
    inbox_marks (user_id, room, position) {
        user_id -> Text,
        room -> Text,
        position -> BigInt,
        read_at -> Nullable<BigInt>,
    }
}

table! {
    mutes (user_id, kind, since) {
        user_id -> Text,
        #[sql_name = "type"]
        kind -> Text,
        since -> BigInt,
        until -> BigInt,
    }
}

table! {
    kept_types (kind) {
        #[sql_name = "type"]
        kind -> Text,
        swept -> BigInt,
    }
}

table! {
    reached (position, node) {
        position -> BigInt,
        node -> Text,
        sockets -> BigInt,
    }
}

table! {
    last_seen (user_id) {
        user_id -> Text,
        role -> Text,
        profile_id -> Nullable<Text>,
        seen_at -> BigInt,
    }
}

joinable!(inbox_marks -> notifications (position));
allow_tables_to_appear_in_same_query!(inbox, inbox_marks, mutes, notifications);
