//! Link test that neither stentor-core without its feature `std` nor any of its dependencies pulls
//! in the standard library. `#![no_std]` shows that for one crate only; this shows it for all of
//! them, because only one panic handler may exist, and `std` has one. Never run: building it is the
//! test. From the root of the repository:
//!
//! ```text
//! cp Cargo.lock core/tests/no_std_link/ && cargo build --manifest-path core/tests/no_std_link/Cargo.toml
//! ```
//!
//! The copy makes it build the very versions that the workspace builds; cargo strikes
//! out what is not needed, and the copy is not committed. With `--features std` it must
//! fail, with E0152: found duplicate lang item `panic_impl`. A dependency counts from
//! the moment the core names it in its code; before that, nothing of it is linked.
//!
//! Not part of the core: a global allocator cannot be written without `unsafe`.

#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr;

use stentor_core::proto::ws::mask;
use stentor_core::{Config, Timestamp};
use stentor_core::id::WorkerId;
use stentor_core::sync::SharedRef;
use stentor_core::tasks::Dispatcher;

/// Calls into the core from an object file that a linker could take, so that the library is not
/// just loaded but used.
#[unsafe(no_mangle)]
pub extern "C" fn stentor_no_std_link(byte: u8) -> u8 {
    let Ok(config) = Config::builder().seed(byte.into()).build() else {
        return 0;
    };
    let mut dispatcher = Dispatcher::<u8>::new(config.shards(), config.queue_messages(), &config);
    let job = dispatcher.poll_assign(Timestamp::ORIGIN, WorkerId(0));
    let idle = job.is_none();
    let mut payload = [byte];
    mask::apply(&mut payload, [1, 2, 3, 4], 0);
    SharedRef::new(payload[0] ^ u8::from(idle))
        .finish()
        .unwrap_or(0)
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

#[global_allocator]
static NO_MEMORY: NoMemory = NoMemory;

/// Has nothing to give; good enough for a program that never runs.
struct NoMemory;

// SAFETY: `alloc` may always fail, and then there is nothing that `dealloc` could be called with.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
