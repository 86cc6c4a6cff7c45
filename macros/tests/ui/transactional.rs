#[ebbtide_macros::transactional]
async fn no_database() -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(isolation = Serializable)]
async fn only_options() -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(database)]
fn not_async(database: &Database) -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(database)]
async fn returns_nothing(database: &Database) {}

#[ebbtide_macros::transactional(database)]
async fn returns_unit(database: &Database) -> () {}

#[ebbtide_macros::transactional(database)]
async fn returns_impl(database: &Database) -> Result<impl Iterator<Item = i64>, String> {
    Ok([1].into_iter())
}

#[ebbtide_macros::transactional(database)]
struct Note;

#[ebbtide_macros::transactional(database, isolation = Serialisable)]
async fn unknown_level(database: &Database) -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(database, isolation)]
async fn no_level(database: &Database) -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(database, read_olny)]
async fn unknown_option(database: &Database) -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(database, read_only = true)]
async fn flag_with_a_value(database: &Database) -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(database, retry, retry = 3)]
async fn twice(database: &Database) -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(database, "log")]
async fn second_value(database: &Database) -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::transactional(database, handle = "tx")]
async fn handle_is_no_name(database: &Database) -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::atomic("log", alias = "main")]
async fn unknown_option_of_atomic() -> Result<(), String> {
    Ok(())
}

#[ebbtide_macros::atomic]
fn atomic_and_not_async() -> Result<(), String> {
    Ok(())
}

fn main() {}
