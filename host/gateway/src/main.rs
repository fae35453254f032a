//! The binary `witgate`.

/// Requests allocate a lot and briefly; this allocator takes less of their time than the system's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    witgate::cli::main()
}
