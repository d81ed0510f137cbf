//! What every adapter of [`Log`], [`Inbox`] and [`Explain`] must do, as cases that run against any of them.
//!
//! A case is an async function of the [`Stores`] under test, empty at the start. It needs no runtime of its own; the
//! adapter's crate drives it, one `#[test]` a case, through [`store_contract!`](crate::store_contract). A bug found
//! in one adapter becomes a case here.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

pub mod acks;
pub mod audit;
pub mod broadcasts;
mod desk;
pub mod erasing;
pub mod explain;
pub mod fanout;
pub mod inbox;
pub mod log;
pub mod marks;
pub mod muting;
pub mod order;
pub mod outbox;
pub mod presence;
pub mod seen;
pub mod unread;
pub mod walk;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::ports::{Explain, Inbox, Log};

/// A log, the inboxes over it and its explanations: one adapter under test.
pub struct Stores {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The inboxes.
    pub inbox: Arc<dyn Inbox>,
    /// What became of publishes.
    pub explain: Arc<dyn Explain>,
    open: Arc<dyn Fn() -> BoxFuture<'static, Opened> + Send + Sync>,
}

/// The ports of a freshly opened store.
pub type Opened = (Arc<dyn Log>, Arc<dyn Inbox>, Arc<dyn Explain>);

impl Stores {
    /// What `open` opens: at first, and each time a case wants to see what outlives a restart.
    pub async fn open<F>(open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Opened> + Send + 'static,
    {
        let open: Arc<dyn Fn() -> BoxFuture<'static, Opened> + Send + Sync> =
            Arc::new(move || Box::pin(open()));
        let (log, inbox, explain) = open().await;
        Self { log, inbox, explain, open }
    }

    /// Closes all and opens them again.
    #[must_use]
    pub async fn reopen(self) -> Self {
        let Self { log, inbox, explain, open } = self;
        drop((log, inbox, explain));
        let (log, inbox, explain) = open().await;
        Self { log, inbox, explain, open }
    }
}

/// Expands to one `#[test]` for each case. `$run` is called with the case, a function from [`Stores`](
/// crate::testing::contract::Stores) to a future; it opens an empty store, hands it over and drives the future.
///
/// ```ignore
/// fn run<F: Future<Output = ()>>(case: impl FnOnce(Stores) -> F) {
///     block_on(async { case(Stores::open(open_empty).await).await })
/// }
/// carillon_domain::store_contract!(run);
/// ```
#[macro_export]
macro_rules! store_contract {
    ($run:ident) => {
        $crate::store_contract! { $run;
            order: racing_appends_never_hide_a_row_from_a_reader, positions_are_dense_and_in_the_batchs_order,
                an_append_given_up_may_be_sent_again;
            log: an_empty_log_has_a_head, a_batch_is_kept_whole_or_not_at_all,
                a_repeated_event_id_adds_nothing, a_key_answers_as_the_first_time,
                a_key_with_another_body_is_refused_and_spares_the_rest, a_key_is_claimed_without_rows, a_key_belongs_to_its_scope,
                keys_are_forgotten_in_time, every_field_comes_back, a_page_says_how_far_it_speaks,
                a_replay_takes_what_was_missed, a_replay_is_cut_at_its_limit,
                what_was_missed_is_counted_to_a_bound, a_log_keeps_its_secret,
                a_block_is_kept_with_its_row, the_newest_status_counts,
                a_block_outlives_its_row_and_a_reopening,
                trim_deletes_what_is_old, trim_deletes_a_bounded_number_at_a_time,
                everything_outlives_a_reopening;
            inbox: shared_rooms_begin_at_the_first_visit, own_rooms_begin_at_the_start,
                a_new_role_brings_its_room_from_now_on, many_enter_as_one_does, only_visible_items_are_found,
                expired_items_are_not_there, pages_cover_the_inbox_once, a_listing_filters_by_state;
            marks: a_mark_is_kept_and_keeps_its_first_time, a_strangers_id_stops_the_whole_mark,
                an_item_made_unread_may_be_read_again, read_up_to_leaves_what_is_newer,
                read_up_to_leaves_what_was_read_before, read_all_answers_the_newest,
                marks_belong_to_one_reader, single_marks_in_any_order_add_up;
            unread: an_inbox_is_counted_up_to_a_place, a_room_is_counted_up_to_the_bound,
                rooms_together_are_counted_up_to_the_bound, single_marks_keep_a_long_inbox_exact,
                expired_items_do_not_count, items_made_unread_count_up_to_a_place_too;
            muting: a_muted_item_is_read_and_stays_so, what_is_high_or_urgent_is_not_muted,
                muting_belongs_to_one_reader, a_muted_item_may_be_made_unread_and_read_again,
                a_muted_item_keeps_its_time_whatever_is_read_after_it, a_memo_is_shown_to_nobody,
                what_is_muted_does_not_fill_the_bound, one_who_muted_it_is_no_reader,
                muting_outlives_a_reopening, spans_before_all_rows_are_forgotten;
            erasing: what_was_said_to_one_alone_goes_and_nothing_else, one_who_was_erased_begins_anew,
                much_is_erased_in_bounded_steps, one_type_is_trimmed_by_itself;
            explain: a_publish_is_explained_by_its_rows, readers_are_those_whose_inbox_says_so,
                one_who_came_too_late_is_no_reader, no_more_readers_are_named_than_may_be,
                sockets_add_up_by_node, what_is_trimmed_is_forgotten;
            walk: a_random_walk_agrees_with_the_memory_adapter, another_random_walk_agrees,
                a_third_random_walk_agrees;
        }
    };
    ($run:ident; $($group:ident: $($case:ident),+;)+) => {
        $(mod $group {
            $(#[test]
            fn $case() {
                super::$run($crate::testing::contract::$group::$case);
            })+
        })+
    };
}

/// Expands to one `#[test]` for each case of [`Fanout`](crate::ports::Fanout)'s contract. `$run` is called with the case, a
/// function from [`Nodes`](crate::testing::contract::fanout::Nodes) to a future.
#[macro_export]
macro_rules! fanout_contract {
    ($run:ident) => {
        $crate::store_contract! { $run;
            fanout: signals_come_here_and_there, each_signal_comes_once_and_in_order, a_subscription_begins_now,
                a_large_hint_loses_no_row, a_slow_subscriber_is_told_that_it_lags, undisturbed_it_reaches_all;
        }
    };
}

/// Expands to one `#[test]` for each case of [`LastSeen`](crate::ports::LastSeen)'s contract. `$run` is called with the
/// case, a function from an empty store to a future.
#[macro_export]
macro_rules! seen_contract {
    ($run:ident) => {
        $crate::store_contract! { $run;
            seen: a_visit_comes_back_as_it_was_kept, the_latest_visit_counts, doctors_are_found_by_either_id,
                pages_go_by_the_bytes_of_ids, many_are_kept_at_once;
        }
    };
}

/// Expands to one `#[test]` for each case of what nodes must know of each other's users. `$run` is called with the case, a
/// function from [`Nodes`](crate::testing::contract::presence::Nodes) to a future.
#[macro_export]
macro_rules! presence_contract {
    ($run:ident) => {
        $crate::store_contract! { $run;
            presence: a_user_is_here_once_on_every_node, a_page_change_is_silent, a_move_to_another_node_is_silent,
                users_are_counted_once_by_role, a_doctor_is_known_by_either_id, what_a_token_tells_anew_is_told;
        }
    };
}

/// As [`store_contract!`](crate::store_contract), for an [`Outbox`](crate::ports::Outbox): `$run` opens an empty one as
/// [`Box`](crate::testing::contract::outbox::UnderTest).
#[macro_export]
macro_rules! outbox_contract {
    ($run:ident) => {
        $crate::store_contract! { $run;
            outbox: what_was_posted_is_claimed_in_its_order, what_someone_has_in_hand_is_nobody_elses,
                what_was_left_is_claimed_again, what_is_done_is_forgotten,
                what_cannot_be_understood_is_laid_aside;
        }
    };
}

/// As [`store_contract!`](crate::store_contract), for an [`Audit`](crate::ports::Audit): `$run` opens an empty one.
#[macro_export]
macro_rules! audit_contract {
    ($run:ident) => {
        $crate::store_contract! { $run;
            audit: what_was_noted_comes_back_in_order, a_key_is_noted_once;
        }
    };
}

/// As [`store_contract!`](crate::store_contract), for [`Broadcasts`](crate::ports::Broadcasts) and [`Acks`](
/// crate::ports::Acks): `$run` opens an empty store as [`Stage`](crate::testing::contract::broadcasts::Stage).
#[macro_export]
macro_rules! broadcasts_contract {
    ($run:ident) => {
        $crate::store_contract! { $run;
            broadcasts: every_field_of_a_broadcast_comes_back, a_key_makes_one_broadcast,
                what_is_due_is_sent_once, everyone_costs_one_row, nothing_is_sent_before_its_time,
                what_is_called_off_is_never_sent, what_was_changed_is_sent_as_it_is_now,
                a_race_of_sending_and_calling_off_has_one_winner, what_is_too_late_is_missed,
                a_listing_filters_and_goes_on, each_change_is_noted_with_who_made_it;
            acks: recipients_alone_acknowledge, the_first_time_is_kept, what_is_no_emergency_is_not_acknowledged,
                acknowledgements_are_counted_by_role, recipients_are_listed_in_pages;
        }
    };
}
