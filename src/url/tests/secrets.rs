use super::*;

#[test]
fn u2_only_expose_shows_secrets() {
    let secret = "hunter2";
    for text in [
        "postgres://u:hunter2@h/d",
        "postgres://u:%68unter2@h/d",
        "postgres://h/d?password=hunter2",
        "postgres://h/d?sslpassword=hunter2&options=-c%20my.password%3Dhunter2",
        "mysql://:hunter2@/d",
    ] {
        let url = url(text);
        let shown = format!("{url} {url:?} {url:#?}");
        assert!(!shown.contains(secret) && shown.contains("***"), "{shown}");
        assert!(url.expose().contains(secret));
    }
    assert_eq!(url("mysql://u:x@h/d").to_string(), "mysql://u:***@h/d");
}

#[test]
fn u2_no_refusal_holds_a_password() {
    for text in [
        "postgres://u:hunter2",
        "postgres://u:hunter2/d",
        "postgres://u:hunter2@h:port/d",
        "postgres://u:hunter2@h,i/d",
        "oracle://u:hunter2@h/d",
        "u:hunter2@h/d",
        "postgres//u:hunter2@h/d",
        "postgres://u:hunter2@h o/d",
        "postgres+nope://u:hunter2@h/d",
        "postgres://u:hunter2%00@h/d",
        "postgres://u:one@h/d?password=hunter2",
        "sqlite://u:hunter2@h/d",
        "postgres://u:h/hunter2@a/b@c/d",
    ] {
        assert!(!refusal(text).contains("hunter2"), "{text}: {}", refusal(text));
    }
}
