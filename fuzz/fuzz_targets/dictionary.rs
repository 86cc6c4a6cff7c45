#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| ebbtide::fuzzing::dictionary(text));
