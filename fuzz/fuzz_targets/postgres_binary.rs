#![no_main]

// The first byte is the type.
libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| ebbtide::fuzzing::postgres_binary(ebbtide::fuzzing::oid(input.0), input.1));
