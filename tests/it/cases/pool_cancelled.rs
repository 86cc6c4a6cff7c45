//! Callers of the pool that are cancelled.

use std::pin::pin;
use std::time::Duration;

use ebbtide::Database;
use tokio::time::timeout;

use super::pool::{LONG, caller, hold, numbers, open, poll_once, polled, select_one, until, with};
use crate::support::{Proxy, cases};

cases! {
    async fn pool_cancelled_callers_in_the_queue_lose_nothing(t: Test) {
        let database = open(&t, "pool_size=1").await;
        for round in 0..20 {
            let held = hold(&database).await;
            let askers: Vec<_> = (0..10).map(|_| caller(&database)).collect();
            until("they wait", || database.status().unwrap().waiting == 10).await;
            // Some are cancelled while they wait, some about when their turn comes, some never.
            for caller in askers.iter().step_by(3) {
                caller.abort();
            }
            let releasing = tokio::spawn(held.release());
            for caller in askers.iter().skip(1).step_by(3) {
                if round % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                caller.abort();
            }
            releasing.await.unwrap();
            for (index, caller) in askers.into_iter().enumerate() {
                match caller.await {
                    Ok(answer) => assert_eq!(answer.unwrap(), 1),
                    Err(cancelled) => assert!(cancelled.is_cancelled() && index % 3 < 2),
                }
            }
            let answer = timeout(LONG, caller(&database)).await.expect("no connection was lost");
            assert_eq!(answer.unwrap().unwrap(), 1);
            assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
        }
    }

    async fn pool_a_caller_cancelled_just_when_its_turn_came_passes_it_on(t: Test) {
        let database = open(&t, "pool_size=1").await;
        let held = hold(&database).await;
        let second;
        {
            let mut first = pin!(database.fetch_value::<i64>("select 1", ()).into_future());
            assert!(poll_once(&mut first).await.is_pending());
            second = caller(&database);
            until("both wait", || database.status().unwrap().waiting == 2).await;
            held.release().await;
            // The first was handed the connection and never looks; it is dropped at the end of this block.
            assert_eq!(numbers(database.status().unwrap()), (1, 0, 1, 1));
            assert!(!second.is_finished());
        }
        assert_eq!(timeout(LONG, second).await.expect("it was passed on").unwrap().unwrap(), 1);
        assert_eq!(timeout(LONG, caller(&database)).await.unwrap().unwrap().unwrap(), 1);
        assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
    }

    async fn pool_cancelling_at_any_point_of_opening_loses_no_place(t: Test) {
        let database = open(&t, "pool_size=2&lazy=true").await;
        let (mut polls, mut answered) = (0, 0);
        // One answer may come early; after several in a row the rest of the points would be the same.
        while polls < 40 && answered < 4 {
            let held = hold(&database).await;
            // The second place: a connection is opened for this call.
            let answer = polled(database.fetch_value::<i64>(select_one(&database), ()).into_future(), polls).await;
            answered = if let Some(Ok(1)) = answer { answered + 1 } else { 0 };
            polls += 1;
            let (first, second) = (held, timeout(LONG, hold(&database)).await.expect("no place was lost"));
            assert_eq!(database.status().unwrap().size, 2);
            first.release().await;
            second.release().await;
            database.disconnect().await.unwrap();
            Database::connect(&database).await.unwrap();
        }
    }

    #[only(postgres, mysql)]
    async fn pool_cancelling_while_the_server_keeps_silent_loses_no_place(t: Test) {
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(with(&proxy.url(), "pool_size=1&lazy=true")).await.unwrap();
        proxy.pause();
        for _ in 0..3 {
            let cancelled = timeout(Duration::from_millis(50), database.fetch_value::<i64>("select 1", ())).await;
            assert!(cancelled.is_err());
            assert_eq!(database.status().unwrap().size, 0);
        }
        // A waiter gets the place of another caller that is cancelled while connecting.
        let connecting = caller(&database);
        until("it connects", || database.status().unwrap().in_use == 1).await;
        let waiting = caller(&database);
        until("it waits", || database.status().unwrap().waiting == 1).await;
        connecting.abort();
        assert!(connecting.await.unwrap_err().is_cancelled());
        proxy.resume();
        assert_eq!(timeout(LONG, waiting).await.unwrap().unwrap().unwrap(), 1);
        assert_eq!(numbers(database.status().unwrap()), (1, 1, 0, 0));
        until("the cancelled ones are closed", || proxy.open_connections() == 1).await;
    }
}
