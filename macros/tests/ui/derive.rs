#[derive(ebbtide_macros::Type)]
struct Composite {
    street: String,
    city: String,
}

#[derive(ebbtide_macros::Type)]
struct Named {
    only: String,
}

#[derive(ebbtide_macros::Type)]
struct Pair(i64, i64);

#[derive(ebbtide_macros::Type)]
struct Nothing;

#[derive(ebbtide_macros::Type)]
union Bits {
    number: u32,
}

#[derive(ebbtide_macros::Type)]
enum Shape {
    Round,
    Edged(u8),
}

#[derive(ebbtide_macros::Type)]
#[sqlx(rename_all = "snakecase")]
enum Style {
    One,
}

#[derive(ebbtide_macros::Type)]
#[sqlx(rename_al = "snake_case")]
enum Slip {
    One,
}

#[derive(ebbtide_macros::Type)]
#[sqlx(transparent)]
enum Through {
    One,
}

#[derive(ebbtide_macros::Type)]
#[sqlx(transparent, rename_all = "snake_case")]
struct Renamed(i64);

#[derive(ebbtide_macros::Type)]
#[ebbtide(krate = "ebbtide")]
struct Elsewhere(i64);

fn main() {}
