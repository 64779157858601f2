//! What stops a context from outside: memory faults and panics in driver code.
//!
//! A memory fault while a context runs becomes a bug check: the signal handler asks the memory manager what the
//! address was, notes the bug check, and makes the context's coroutine return. A panic in a driver's code becomes the
//! bug check that `wdk-panic` raises: the panic hook notes it; the unwinding then ends at the driver's first `extern "C"`
//! frame, where Rust aborts, and the abort's signal ends the context in the same way. (The hook itself cannot end it: the
//! standard library holds a lock while it runs.)

use std::cell::Cell;
use std::sync::Once;

use corosensei::trap::CoroutineTrapHandler;
use corosensei::{Coroutine, CoroutineResult};

use crate::bugcheck::{BugCheck, StopCode};
use crate::kernel::{kernel, try_kernel};
use crate::sched::Ended;

thread_local! {
    static RUNNING: Cell<Option<CoroutineTrapHandler<Ended>>> = const { Cell::new(None) };
}

/// Resumes a context with its faults caught.
pub(crate) fn guarded<Yield>(
    routine: &mut Coroutine<(), Yield, Ended, corosensei::stack::DefaultStack>,
) -> CoroutineResult<Yield, Ended> {
    let before = RUNNING.replace(Some(routine.trap_handler()));
    let result = routine.resume(());
    RUNNING.set(before);
    result
}

/// Installs the signal handler and the panic hook, once for the process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        install_signal_handlers();
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if let Some(kernel) = try_kernel()
                && kernel
                    .sched
                    .try_current()
                    .is_some_and(|context| context.driver().is_some())
            {
                kernel.sched.record_fault(BugCheck {
                    code: StopCode::RUST_PANIC,
                    parameters: [0; 4],
                    message: format!("a driver panicked: {info}"),
                    context: kernel.sched.current_name(),
                    calls: kernel.sched.current_calls(),
                    stack: Some(std::backtrace::Backtrace::force_capture()),
                    history: Vec::new(),
                });
                return;
            }
            previous(info);
        }));
    });
}

fn install_signal_handlers() {
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT] {
        // SAFETY: an all-zero `sigaction` is a valid one (default action, empty mask, no flags).
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        // SAFETY: `action` names a handler of the `SA_SIGINFO` form that lives for ever; the old action is not asked for.
        let result = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        assert_eq!(result, 0, "the handler for memory faults could not be installed");
    }
}

/// Runs on the alternate signal stack that Rust's runtime gives each of its threads.
extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system calls an `SA_SIGINFO` handler with a valid `siginfo_t`, whose address member is set for
    // SIGSEGV and SIGBUS, and with a valid `ucontext_t`.
    let (address, machine) = unsafe {
        (
            (*info).si_addr() as usize,
            &mut *context.cast::<libc::ucontext_t>(),
        )
    };
    let registers = Registers::of(machine);
    if let Some(handler) = RUNNING.get()
        && handler.stack_ptr_in_bounds(registers.stack_pointer)
        && let Some(kernel) = try_kernel()
        && (signal != libc::SIGABRT || kernel.sched.is_stopped())
    {
        let instruction = registers.instruction_pointer;
        // SAFETY: the coroutine that faulted is the one that `guarded` resumes on this thread (its stack holds the
        // faulting stack pointer), so it is alive. Its stack is discarded; the machine never runs it again, and the
        // registers are updated below as this call demands. The closure runs on that stack after this handler.
        let new = unsafe {
            handler.setup_trap_handler(move || {
                if !kernel.sched.is_stopped() {
                    kernel.sched.record_fault(describe(address, instruction));
                }
                Ended::Faulted
            })
        };
        Registers::set(machine, &new);
        return;
    }
    // Not ours: let the default action end the process, with the instruction that faults run again.
    // SAFETY: setting a signal back to its default action has no precondition.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

fn describe(address: usize, instruction: usize) -> BugCheck {
    let kernel = kernel();
    let irql = kernel.sched.try_current().map_or(0, |context| context.irql());
    let fault = kernel.explain_fault(address, irql);
    let mut symbol = None;
    backtrace::resolve(instruction as *mut std::ffi::c_void, |found| {
        symbol.get_or_insert_with(|| {
            let name = found
                .name()
                .map_or_else(|| "?".to_owned(), |name| name.to_string());
            match (found.filename(), found.lineno()) {
                (Some(file), Some(line)) => format!("{name} ({}:{line})", file.display()),
                _ => name,
            }
        });
    });
    let place = symbol.unwrap_or_else(|| format!("{instruction:#x}"));
    BugCheck {
        code: fault.code,
        parameters: [address as u64, u64::from(irql), 0, instruction as u64],
        message: format!("{}, by {place}", fault.message),
        context: kernel.sched.current_name(),
        calls: kernel.sched.current_calls(),
        stack: None,
        history: fault.history,
    }
}

struct Registers {
    stack_pointer: usize,
    instruction_pointer: usize,
}

#[cfg(target_arch = "x86_64")]
impl Registers {
    #[allow(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "registers hold addresses"
    )]
    fn of(machine: &libc::ucontext_t) -> Self {
        let registers = &machine.uc_mcontext.gregs;
        Self {
            stack_pointer: registers[libc::REG_RSP as usize] as usize,
            instruction_pointer: registers[libc::REG_RIP as usize] as usize,
        }
    }

    #[allow(
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "registers hold addresses"
    )]
    fn set(machine: &mut libc::ucontext_t, new: &corosensei::trap::TrapHandlerRegs) {
        let registers = &mut machine.uc_mcontext.gregs;
        registers[libc::REG_RIP as usize] = new.rip as i64;
        registers[libc::REG_RSP as usize] = new.rsp as i64;
        registers[libc::REG_RBP as usize] = new.rbp as i64;
        registers[libc::REG_RDI as usize] = new.rdi as i64;
        registers[libc::REG_RSI as usize] = new.rsi as i64;
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    #[allow(clippy::cast_possible_truncation, reason = "registers hold addresses")]
    fn of(machine: &libc::ucontext_t) -> Self {
        Self {
            stack_pointer: machine.uc_mcontext.sp as usize,
            instruction_pointer: machine.uc_mcontext.pc as usize,
        }
    }

    fn set(machine: &mut libc::ucontext_t, new: &corosensei::trap::TrapHandlerRegs) {
        let registers = &mut machine.uc_mcontext;
        registers.pc = new.pc;
        registers.sp = new.sp;
        registers.regs[0] = new.x0;
        registers.regs[1] = new.x1;
        registers.regs[29] = new.x29;
        registers.regs[30] = new.lr;
    }
}
