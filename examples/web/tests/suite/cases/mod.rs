//! The cases, which do not depend on sandboxes, except those in `together`.

mod notes;
mod search;
mod tags;
mod together;
mod users;

use futures::future::BoxFuture;

use crate::app::App;

/// A test of the running application.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub run: for<'a> fn(&'a App) -> BoxFuture<'a, ()>,
}

/// Lists functions `async fn(&App)` as cases.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        pub(super) const CASES: &[crate::cases::Case] = &[
            $(crate::cases::Case {
                name: concat!(module_path!(), "::", stringify!($name)),
                run: |app| Box::pin($name(app)),
            }),+
        ];
    };
}
pub(crate) use cases;

pub fn all() -> Vec<Case> {
    let groups = [users::CASES, notes::CASES, search::CASES, tags::CASES, together::CASES];
    groups.concat()
}
