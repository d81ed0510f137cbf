//! The tables, as diesel knows them. What they are for stands in `migrations/postgres`.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    carillon.acks (broadcast_id, user_id) {
        broadcast_id -> Uuid,
        user_id -> Text,
        role -> Text,
        acked_at -> BigInt,
    }
}

table! {
    carillon.broadcasts (id) {
        id -> Uuid,
        status -> Text,
        version -> Integer,
        kind -> Text,
        content -> Text,
        publish_at -> BigInt,
        late -> Bool,
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
    carillon.audit (id) {
        id -> BigInt,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        subject -> Text,
        detail -> Text,
    }
}

table! {
    carillon.log_head (id) {
        id -> Integer,
        epoch -> BigInt,
        position -> BigInt,
        trimmed -> BigInt,
        secret -> Binary,
    }
}

table! {
    carillon.notifications (position) {
        position -> BigInt,
        id -> Uuid,
        event_id -> Uuid,
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
    carillon.mutes (user_id, kind, since) {
        user_id -> Text,
        #[sql_name = "type"]
        kind -> Text,
        since -> BigInt,
        until -> BigInt,
    }
}

table! {
    carillon.inbox (user_id, room) {
        user_id -> Text,
        room -> Text,
        since -> BigInt,
        read_up_to -> BigInt,
    }
}

table! {
    carillon.inbox_reads (user_id, room, up_to) {
        user_id -> Text,
        room -> Text,
        up_to -> BigInt,
        read_at -> BigInt,
    }
}

table! {
    carillon.inbox_marks (user_id, room, position) {
        user_id -> Text,
        room -> Text,
        position -> BigInt,
        read_at -> Nullable<BigInt>,
    }
}

table! {
    carillon.reached (position, node) {
        position -> BigInt,
        node -> Text,
        sockets -> BigInt,
    }
}

table! {
    carillon.last_seen (user_id) {
        user_id -> Text,
        role -> Text,
        profile_id -> Nullable<Text>,
        seen_at -> BigInt,
    }
}

joinable!(inbox_marks -> notifications (position));
allow_tables_to_appear_in_same_query!(inbox_marks, notifications);
