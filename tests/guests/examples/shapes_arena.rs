//! The shapes with an allocator that only counts up.

#[path = "shapes/arena.rs"]
mod arena;
#[path = "shapes/guest.rs"]
mod guest;

#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();
