#![no_main]

// The first byte is the type.
libfuzzer_sys::fuzz_target!(|input: (u8, &str)| ebbtide::fuzzing::postgres_text(ebbtide::fuzzing::oid(input.0), input.1));
