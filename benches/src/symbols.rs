//! The part of a program that a function belongs to, by its name and the file that it is from.

/// Functions that copy, compare or search memory, as the C library and the compiler name them.
const MEMORY: [&str; 8] = [
    "memcpy", "memmove", "memset", "memcmp", "bcmp", "memchr", "memrchr", "strlen",
];

/// Beginnings of names of the allocator, jemalloc's internal ones included.
const ALLOCATOR: [&str; 24] = [
    "_rjem_",
    "je_",
    "__rust_alloc",
    "__rust_dealloc",
    "__rust_realloc",
    "__rdl_",
    "__rg_",
    "malloc",
    "free",
    "calloc",
    "realloc",
    "arena_",
    "tcache_",
    "tsd_",
    "te_",
    "rtree_",
    "edata_",
    "emap_",
    "pac_",
    "pa_",
    "hpa_",
    "sz_",
    "extent_",
    "do_rallocx",
];

/// Beginnings of names of libraries in C.
const LIBRARIES: [(&str, &str); 10] = [
    ("ring_core", "ring"),
    ("sqlite3", "sqlite"),
    ("ZSTD_", "zstd"),
    ("HUF_", "zstd"),
    ("FSE_", "zstd"),
    ("XXH", "zstd"),
    ("zng_", "zlib-ng"),
    ("deflate", "zlib-ng"),
    ("inflate", "zlib-ng"),
    ("crc32_", "zlib-ng"),
];

/// Returns the part of a program that a function belongs to: `kernel`, `vdso`, `guest code`, `allocator`, `memory`, the crate of a
/// function in Rust, or the library of one in C. `file` is the mapped file as `perf` names it, `name` the demangled name.
#[must_use]
pub fn part(file: &str, name: &str) -> String {
    if file.starts_with("[vdso") {
        return "vdso".to_owned();
    }
    if file.starts_with("[kernel") || file.starts_with("[guest.kernel") || file.ends_with(".ko") {
        return "kernel".to_owned();
    }
    // The compiler's code is in memory without a file, or in a file of the cache; neither is a program or a library.
    let is_anonymous = ["//anon", "[anon", "anon_inode", "/memfd", "/dev/zero"];
    let is_compiled = is_anonymous.iter().any(|start| file.starts_with(start));
    if is_compiled || file.ends_with(".map") || file.contains("/code/") {
        return "guest code".to_owned();
    }
    let plain = name.trim_start_matches('_');
    let is_c = !name.contains("::");
    if is_c && MEMORY.iter().any(|family| plain.starts_with(family)) {
        return "memory".to_owned();
    }
    if is_c && ALLOCATOR.iter().any(|start| name.starts_with(start)) {
        return "allocator".to_owned();
    }
    if name.starts_with("__rustc::") {
        return "allocator".to_owned();
    }
    if is_c {
        if let Some((_, library)) = LIBRARIES.iter().find(|(start, _)| name.starts_with(start)) {
            return (*library).to_owned();
        }
        let library = file.rsplit('/').next().unwrap_or(file);
        return match library.split_once(".so") {
            Some((library, _)) => library.to_owned(),
            None => "other C".to_owned(),
        };
    }
    crate_of(name).to_owned()
}

/// Returns the first word of a path in Rust. For `<Type as Trait>::function` it is the type's.
fn crate_of(name: &str) -> &str {
    let mut rest = name;
    loop {
        let begin = rest.trim_start_matches(['<', '&', '*', '(', '[', ' ']);
        let begin = ["mut ", "const ", "dyn ", "impl "]
            .iter()
            .find_map(|word| begin.strip_prefix(word))
            .unwrap_or(begin);
        if begin == rest {
            break;
        }
        rest = begin;
    }
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
    // `<u8 as Trait>` and the like are the standard library's.
    let is_crate = rest
        .get(word.len()..)
        .is_some_and(|after| after.starts_with("::"));
    if is_crate { word } else { "core" }
}

#[cfg(test)]
mod tests {
    use super::part;

    const GATEWAY: &str = "/target/dist/witgate";

    #[test]
    fn functions_belong_to_the_crate_of_their_path() {
        let expected = [
            ("tokio::runtime::task::raw::poll", "tokio"),
            (
                "<witgate_gateway::exchange::Exchange as core::future::future::Future>::poll",
                "witgate_gateway",
            ),
            (
                "<&mut bytes::bytes_mut::BytesMut as core::fmt::Write>::write_str",
                "bytes",
            ),
            ("<[u8] as core::fmt::Debug>::fmt", "core"),
            (
                "<alloc::vec::Vec<tokio::net::TcpStream> as core::ops::drop::Drop>::drop",
                "alloc",
            ),
            ("<dyn core::any::Any>::is", "core"),
        ];
        for (name, crate_name) in expected {
            assert_eq!(part(GATEWAY, name), crate_name, "{name}");
        }
    }

    #[test]
    fn what_is_not_rust_belongs_to_its_library() {
        let expected = [
            ("[kernel.kallsyms]", "tcp_sendmsg_locked", "kernel"),
            ("[vdso]", "__vdso_clock_gettime", "vdso"),
            ("//anon", "[unknown]", "guest code"),
            ("/tmp/a/state/code/ab12", "[unknown]", "guest code"),
            (
                "/usr/lib/libc.so.6",
                "__memmove_avx_unaligned_erms",
                "memory",
            ),
            ("/usr/lib/libc.so.6", "epoll_wait", "libc"),
            (GATEWAY, "_rjem_sdallocx", "allocator"),
            (GATEWAY, "arena_slab_alloc", "allocator"),
            (GATEWAY, "__rustc::__rust_dealloc", "allocator"),
            (GATEWAY, "crc32c::hw_x86_64::crc32c", "crc32c"),
            (GATEWAY, "sqlite3VdbeExec", "sqlite"),
            (
                GATEWAY,
                "ring_core_0_17_14__sha256_block_data_order_hw",
                "ring",
            ),
            (GATEWAY, "memchr::arch::x86_64::avx2::find", "memchr"),
        ];
        for (file, name, library) in expected {
            assert_eq!(part(file, name), library, "{name} of {file}");
        }
    }
}
