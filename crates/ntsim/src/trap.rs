//! What stops a context from outside: processor exceptions, panics and endless loops in driver
//! code.
//!
//! An exception while a context runs becomes the bug check that Windows raises for it: the signal
//! handler takes the stack, has the context's coroutine run [`describe`] and return. A panic in a
//! driver's code becomes the bug check that `wdk-panic` raises: the panic hook notes it; the
//! unwinding then ends at the driver's first `extern "C"` frame, where Rust aborts, and the abort's
//! signal ends the context in the same way. (The hook itself cannot end it: the standard library
//! holds a lock while it runs.)
//!
//! A driver's loop that never calls the kernel is found by a timer that runs with the thread's
//! processor time: a machine that makes no step while driver code runs is stopped after
//! [`Config::spin_limit`](crate::Config::spin_limit).

use std::cell::Cell;
use std::sync::Once;
use std::time::Duration;

use corosensei::trap::CoroutineTrapHandler;
use corosensei::{Coroutine, CoroutineResult};

use crate::bugcheck::{BugCheck, StopCode};
use crate::export::DISPATCH_LEVEL;
use crate::kernel::{Kernel, kernel, try_kernel};
use crate::mm::watch;
use crate::sched::{ContextKind, Ended};
use crate::stacks::Mapped;
use crate::trace::Trace;

/// Signals that processor exceptions, and aborts, arrive as.
const EXCEPTIONS: [libc::c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGFPE,
    libc::SIGABRT,
];

/// The signal of the timer that looks for endless loops.
const TICK: libc::c_int = libc::SIGVTALRM;

/// How often it looks within the limit.
const TICKS: u32 = 8;

/// Bytes of the stack that the handlers run on: unwinding needs more than the language's runtime
/// sets aside.
const HANDLER_STACK: usize = 256 * 1024;

/// Frames that a handler takes down.
const FRAMES: usize = 64;

thread_local! {
    static RUNNING: Cell<Option<CoroutineTrapHandler<Ended>>> = const { Cell::new(None) };
    /// The context that ran was stopped, and what happened to it is being written down.
    static STOPPED: Cell<bool> = const { Cell::new(false) };
    /// Instructions run one by one: the first of them with watched pages open.
    static STEPPING: Cell<bool> = const { Cell::new(false) };
    /// The scheduler's steps at the last tick, and the ticks since without one.
    static SEEN: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

/// Resumes a context with its faults caught.
pub(crate) fn guarded<Yield>(
    routine: &mut Coroutine<(), Yield, Ended, corosensei::stack::DefaultStack>,
) -> CoroutineResult<Yield, Ended> {
    let before = RUNNING.replace(Some(routine.trap_handler()));
    let result = routine.resume(());
    RUNNING.set(before);
    STOPPED.set(false);
    result
}

/// Installs the signal handlers and the panic hook, once for the process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in EXCEPTIONS {
            install_handler(signal, on_fault, libc::SA_NODEFER);
        }
        install_handler(TICK, on_tick, libc::SA_RESTART);
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
                    stack: Some(Trace::capture()),
                    history: Vec::new(),
                });
                return;
            }
            previous(info);
        }));
    });
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn install_handler(signal: libc::c_int, handler: Handler, flags: libc::c_int) {
    // SAFETY: an all-zero `sigaction` is a valid one (default action, empty mask, no flags).
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
    // SAFETY: `action` names a handler of the `SA_SIGINFO` form that lives for ever; the old action
    // is not asked for.
    let result = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    assert_eq!(
        result, 0,
        "the handler for signal {signal} could not be installed"
    );
}

/// What the handlers need on the thread of a machine: a stack of their own, and the timer that
/// looks for endless loops.
pub(crate) struct Watch {
    /// Keeps the handlers' stack.
    _stack: Mapped,
    before: libc::stack_t,
    timer: Option<libc::timer_t>,
}

impl Watch {
    /// For the calling thread.
    pub(crate) fn start(limit: Duration) -> Self {
        let stack = Mapped::new(HANDLER_STACK).expect("memory for the signal handlers' stack");
        let new = libc::stack_t {
            ss_sp: stack.usable().as_ptr().cast(),
            ss_flags: 0,
            ss_size: HANDLER_STACK,
        };
        // SAFETY: an all-zero `stack_t` is a valid one.
        let mut before: libc::stack_t = unsafe { std::mem::zeroed() };
        // SAFETY: the new stack lives until `drop` puts the old one back; both descriptions are
        // valid.
        let result = unsafe { libc::sigaltstack(&raw const new, &raw mut before) };
        assert_eq!(result, 0, "no stack for the signal handlers");
        Self {
            _stack: stack,
            before,
            timer: start_timer((limit / TICKS).max(Duration::from_millis(1))),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            // SAFETY: the timer is this value's own.
            unsafe { libc::timer_delete(timer) };
        }
        // SAFETY: the description is the one that the thread had before, and no handler runs on the
        // stack that goes.
        unsafe { libc::sigaltstack(&raw const self.before, std::ptr::null_mut()) };
    }
}

/// A timer that signals the calling thread each time that it has used so much processor time.
/// Without one (the real system has no more) endless loops are not found.
fn start_timer(interval: Duration) -> Option<libc::timer_t> {
    // SAFETY: an all-zero `sigevent` is a valid one.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = TICK;
    // SAFETY: the call has no precondition.
    event.sigev_notify_thread_id = unsafe { libc::gettid() };
    let mut timer = std::ptr::null_mut();
    // SAFETY: both pointers are to values of the types that the function takes.
    let made = unsafe {
        libc::timer_create(
            libc::CLOCK_THREAD_CPUTIME_ID,
            &raw mut event,
            &raw mut timer,
        )
    };
    if made != 0 {
        return None;
    }
    let every = libc::timespec {
        tv_sec: libc::time_t::try_from(interval.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: interval.subsec_nanos().into(),
    };
    let schedule = libc::itimerspec {
        it_interval: every,
        it_value: every,
    };
    SEEN.set((0, 0));
    // SAFETY: the timer was made just now; the schedule is valid, the old ones are not asked for.
    unsafe { libc::timer_settime(timer, 0, &raw const schedule, std::ptr::null_mut()) };
    Some(timer)
}

/// What a handler takes down of the interrupted code, without allocating.
#[derive(Clone, Copy)]
struct Interrupted {
    signal: libc::c_int,
    code: libc::c_int,
    address: usize,
    registers: Registers,
    callers: [usize; FRAMES],
    count: usize,
}

impl Interrupted {
    /// # Safety
    ///
    /// The arguments are those of a handler of the `SA_SIGINFO` form.
    unsafe fn new(signal: libc::c_int, info: *const libc::siginfo_t, registers: Registers) -> Self {
        // SAFETY: says the caller; the address member is read for signals that set it, and unused
        // otherwise.
        let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
        let mut callers = [0; FRAMES];
        let mut count = 0;
        let mut found = false;
        if read::<1>(registers.instruction_pointer).is_none() {
            // A call to where nothing is: the unwinder would look there too. Who called is on top
            // of the stack.
            if let Some(caller) = read(registers.stack_pointer) {
                callers[0] = usize::from_ne_bytes(caller);
                count = 1;
            }
            return Self {
                signal,
                code,
                address,
                registers,
                callers,
                count,
            };
        }
        // SAFETY: the unwinder itself takes no lock that the interrupted code, a driver's, could
        // hold.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                let at = frame.ip().addr();
                if found && let Some(place) = callers.get_mut(count) {
                    *place = at;
                    count += 1;
                }
                found |= at == registers.instruction_pointer;
                count < FRAMES
            });
        }
        Self {
            signal,
            code,
            address,
            registers,
            callers,
            count,
        }
    }

    fn trace(&self) -> Trace {
        Trace::from_addresses(
            self.registers.instruction_pointer,
            self.callers.get(..self.count).unwrap_or_default(),
        )
    }
}

/// The machine and the coroutine of the interrupted context, if that is what was interrupted.
fn interrupted_machine(
    registers: &Registers,
) -> Option<(&'static Kernel, CoroutineTrapHandler<Ended>)> {
    let handler = RUNNING.get()?;
    let kernel = try_kernel()?;
    let stack = registers.stack_pointer;
    (handler.stack_ptr_in_bounds(stack) || kernel.stacks.contains(stack))
        .then_some((kernel, handler))
}

/// Has the interrupted context run `last` and end.
///
/// # Safety
///
/// `machine` is the interrupted context's, which is the one that `handler` belongs to.
unsafe fn divert(
    machine: &mut libc::ucontext_t,
    handler: CoroutineTrapHandler<Ended>,
    last: impl FnOnce() + 'static,
) {
    STOPPED.set(true);
    STEPPING.set(false);
    // SAFETY: the coroutine that was interrupted is the one that `guarded` resumed on this thread
    // (a stack of its machine holds the interrupted stack pointer), so it is alive. Its stack is
    // discarded; the machine never runs it again, and the registers are updated below as this call
    // demands. The closure runs on that stack after the handler.
    let new = unsafe {
        handler.setup_trap_handler(move || {
            last();
            Ended::Faulted
        })
    };
    Registers::set(machine, &new);
}

/// What a signal was for watched memory.
enum Watching {
    /// It was none for it.
    Nothing,
    /// The context goes on.
    Goes,
    Found(Box<watch::Finding>),
}

/// Has an access to watched memory happen, and looks at it: see [`watch`].
///
/// # Safety
///
/// The arguments are those of a handler of the `SA_SIGINFO` form, for a `SIGSEGV` or a `SIGTRAP`.
unsafe fn watching(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    machine: &mut libc::ucontext_t,
) -> Watching {
    let Some(kernel) = try_kernel().filter(|kernel| kernel.config.double_fetches) else {
        return Watching::Nothing;
    };
    // SAFETY: says the caller; both signals have the address, which is read of one alone.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    if signal == libc::SIGTRAP {
        if code != TRAP_TRACE || !STEPPING.get() {
            return Watching::Nothing;
        }
        let instruction = Registers::of(machine).instruction_pointer;
        let goes_on = kernel.mm.watch.stepped(|| is_own_code(instruction));
        STEPPING.set(goes_on);
        Registers::set_single_step(machine, goes_on);
        return Watching::Goes;
    }
    if code == SI_KERNEL || !kernel.mm.watch.holds(address) {
        return Watching::Nothing;
    }
    let registers = Registers::of(machine);
    // SAFETY: says the caller.
    let interrupted = unsafe { Interrupted::new(signal, info, registers) };
    let (bytes, known) = code_at::<{ watch::LONGEST_INSTRUCTION }>(registers.instruction_pointer);
    let found = kernel.mm.watch.access(
        kernel,
        &watch::Access {
            address,
            instruction: registers.instruction_pointer,
            code: &bytes[..known],
            writes: Registers::writes(machine),
            own_code: is_own_code(registers.instruction_pointer),
            callers: &interrupted.callers[..interrupted.count],
        },
    );
    if let Some(found) = found {
        return Watching::Found(Box::new(found));
    }
    STEPPING.set(true);
    Registers::set_single_step(machine, true);
    Watching::Goes
}

/// As much code as can be read, and how much that is.
pub(crate) fn code_at<const BYTES: usize>(at: usize) -> ([u8; BYTES], usize) {
    let mut code = [0; BYTES];
    if let Some(all) = read(at) {
        return (all, code.len());
    }
    let known = code
        .iter_mut()
        .enumerate()
        .map_while(|(offset, byte)| {
            let [value] = read(at + offset)?;
            *byte = value;
            Some(())
        })
        .count();
    (code, known)
}

/// Runs on the stack that [`Watch`] has set aside, or that Rust's runtime gives each of its
/// threads.
extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the system calls an `SA_SIGINFO` handler with a valid `ucontext_t`.
    let machine = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    if matches!(signal, libc::SIGSEGV | libc::SIGTRAP) {
        // SAFETY: the arguments are the handler's own.
        match unsafe { watching(signal, info, machine) } {
            Watching::Nothing => {}
            Watching::Goes => return,
            Watching::Found(finding) => {
                let registers = Registers::of(machine);
                if let Some((kernel, handler)) = interrupted_machine(&registers) {
                    // SAFETY: says `interrupted_machine`.
                    unsafe {
                        divert(machine, handler, move || {
                            kernel.sched.record_fault(finding.describe());
                        });
                    }
                    return;
                }
            }
        }
    }
    let registers = Registers::of(machine);
    // A fault while another is written down ends the process: there is no end to it otherwise.
    if !STOPPED.get()
        && let Some((kernel, handler)) = interrupted_machine(&registers)
        && (signal != libc::SIGABRT || kernel.sched.is_stopped() || kernel.sched.driver_runs())
    {
        // SAFETY: the arguments are the handler's own.
        let interrupted = unsafe { Interrupted::new(signal, info, registers) };
        // SAFETY: says `interrupted_machine`.
        unsafe {
            divert(machine, handler, move || {
                if !kernel.sched.is_stopped() {
                    kernel.sched.record_fault(describe(&interrupted));
                }
            });
        }
        return;
    }
    // Not ours: let the default action end the process, with the instruction that faults run again.
    // SAFETY: setting a signal back to its default action has no precondition.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Some processor time has passed.
extern "C" fn on_tick(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(kernel) = try_kernel() else { return };
    let (steps, ticks) = SEEN.get();
    let now = kernel.sched.points();
    if now != steps {
        SEEN.set((now, 0));
        return;
    }
    SEEN.set((now, ticks + 1));
    // SAFETY: the system calls an `SA_SIGINFO` handler with a valid `ucontext_t`.
    let machine = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = Registers::of(machine);
    if ticks + 1 < TICKS || STOPPED.get() || !is_own_code(registers.instruction_pointer) {
        return;
    }
    if let Some((kernel, handler)) = interrupted_machine(&registers)
        && kernel.sched.driver_runs()
    {
        // SAFETY: the arguments are the handler's own.
        let interrupted = unsafe { Interrupted::new(signal, info, registers) };
        // SAFETY: says `interrupted_machine`.
        unsafe { divert(machine, handler, move || spins(&interrupted)) };
    }
}

/// Whether an instruction is of the program itself: in a library it may hold a lock that the report
/// needs.
fn is_own_code(instruction: usize) -> bool {
    let image = |address: usize| {
        // SAFETY: an all-zero `Dl_info` is a valid one.
        let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: any address may be asked for; the result goes to a value of the type that the
        // function takes.
        let found = unsafe { libc::dladdr(std::ptr::without_provenance(address), &raw mut info) };
        (found != 0).then(|| info.dli_fbase.addr())
    };
    image(instruction).is_some_and(|base| Some(base) == image(on_tick as *const () as usize))
}

/// A driver's code has run for too long without a call into the kernel.
fn spins(interrupted: &Interrupted) {
    let kernel = kernel();
    let irql = kernel
        .sched
        .try_current()
        .map_or(0, |context| context.irql());
    let limit = kernel.config.spin_limit;
    let message = format!(
        "a driver has run for {} ms of processor time without a call into the kernel",
        limit.as_millis()
    );
    let check = BugCheck {
        code: StopCode::DPC_WATCHDOG_VIOLATION,
        // A single DPC, and its time and allotment.
        parameters: [
            0,
            u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            0,
        ],
        message,
        context: kernel.sched.current_name(),
        calls: kernel.sched.current_calls(),
        stack: Some(interrupted.trace()),
        history: Vec::new(),
    };
    if irql >= DISPATCH_LEVEL {
        kernel.sched.record_fault(check);
    } else {
        kernel.sched.record_spin(format!(
            "{}: {} (calls: {})\n{}",
            check.context,
            check.message,
            check.calls.join(" > "),
            interrupted.trace()
        ));
    }
}

/// `NTSTATUS` codes of exceptions.
mod status {
    pub const BREAKPOINT: u32 = 0x8000_0003;
    pub const SINGLE_STEP: u32 = 0x8000_0004;
    pub const DATATYPE_MISALIGNMENT: u32 = 0x8000_0002;
    pub const ACCESS_VIOLATION: u32 = 0xC000_0005;
    pub const ILLEGAL_INSTRUCTION: u32 = 0xC000_001D;
    pub const FLOAT_DIVIDE_BY_ZERO: u32 = 0xC000_008E;
    pub const FLOAT_INVALID_OPERATION: u32 = 0xC000_0090;
    pub const INTEGER_DIVIDE_BY_ZERO: u32 = 0xC000_0094;
    pub const PRIVILEGED_INSTRUCTION: u32 = 0xC000_0096;
}

/// Prefixes that change neither which instruction it is nor what it does wrong.
const PREFIXES: [u8; 7] = [0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66];

/// Memory, where it can be read. Runs in a signal handler.
fn read<const BYTES: usize>(at: usize) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: BYTES,
    };
    let remote = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(at),
        iov_len: BYTES,
    };
    // SAFETY: the call writes at most `bytes`, and answers with an error if the other range cannot
    // be read.
    let read = unsafe {
        libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0)
    };
    usize::try_from(read)
        .is_ok_and(|read| read == BYTES)
        .then_some(bytes)
}

/// The first bytes of an instruction without its prefixes, where it can be read.
fn instruction_bytes(at: usize) -> [u8; 2] {
    let bytes: [u8; 8] = read(at).unwrap_or_default();
    let code = bytes
        .iter()
        .position(|byte| !PREFIXES.contains(byte) && !(0x40..0x50).contains(byte))
        .unwrap_or(0);
    [bytes[code], bytes.get(code + 1).copied().unwrap_or(0)]
}

/// What a general protection fault was raised for.
enum Protection {
    /// `int 29h`: fast fail, its code in `ecx`.
    FastFail,
    Privileged,
    /// A misaligned operand of a vector instruction, or an address that is none.
    Operand,
}

fn protection(instruction: usize) -> Protection {
    match instruction_bytes(instruction) {
        [0xCD, 0x29] => Protection::FastFail,
        // hlt, cli, sti, in, out; mov to and from control and debug registers, wrmsr, rdmsr, invd,
        // wbinvd, clts.
        [
            0xF4 | 0xFA | 0xFB | 0xE4..=0xE7 | 0xEC..=0xEF | 0x6C..=0x6F,
            _,
        ]
        | [
            0x0F,
            0x00 | 0x01 | 0x06 | 0x08 | 0x09 | 0x20..=0x23 | 0x30 | 0x32 | 0x33,
        ] => Protection::Privileged,
        _ => Protection::Operand,
    }
}

/// The bug check that Windows raises for an exception that no handler takes: one in a thread that
/// serves a program's system call, or another.
fn exception(code: u32, what: &str, parameters: [u64; 2], interrupted: &Interrupted) -> Stop {
    let instruction = interrupted.registers.instruction_pointer as u64;
    let in_system_call = kernel().sched.try_current().is_some_and(|context| {
        context.kind == ContextKind::UserThread && context.irql() < DISPATCH_LEVEL
    });
    let message = format!("{what} (exception {code:#010x})");
    if in_system_call {
        (
            StopCode::SYSTEM_SERVICE_EXCEPTION,
            [code.into(), instruction, 0, 0],
            message,
        )
    } else {
        (
            StopCode::KMODE_EXCEPTION_NOT_HANDLED,
            [code.into(), instruction, parameters[0], parameters[1]],
            message,
        )
    }
}

/// A stop code, its parameters and a sentence.
type Stop = (StopCode, [u64; 4], String);

/// A division, or an operation of the floating-point unit.
fn arithmetic(interrupted: &Interrupted) -> Stop {
    let (status, what) = match interrupted.code {
        FPE_INTDIV => (
            status::INTEGER_DIVIDE_BY_ZERO,
            "an integer was divided by zero, or the quotient was too large",
        ),
        FPE_FLTDIV => (status::FLOAT_DIVIDE_BY_ZERO, "a number was divided by zero"),
        _ => (
            status::FLOAT_INVALID_OPERATION,
            "an invalid floating-point operation",
        ),
    };
    exception(status, what, [0; 2], interrupted)
}

/// A general protection fault has no address: the instruction tells them apart.
fn general_protection(interrupted: &Interrupted) -> Stop {
    match protection(interrupted.registers.instruction_pointer) {
        Protection::FastFail => {
            let reason = interrupted.registers.fast_fail_code;
            (
                StopCode::KERNEL_SECURITY_CHECK_FAILURE,
                [reason, 0, 0, 0],
                format!("a fast fail (int 29h) with code {reason:#x}"),
            )
        }
        Protection::Privileged => exception(
            status::PRIVILEGED_INSTRUCTION,
            "an instruction was run that the simulated machine leaves to the real one",
            [0; 2],
            interrupted,
        ),
        Protection::Operand => exception(
            status::ACCESS_VIOLATION,
            "a misaligned vector operand, or an address that no memory can have",
            [0, u64::MAX],
            interrupted,
        ),
    }
}

/// The bug check for a processor exception.
fn describe(interrupted: &Interrupted) -> BugCheck {
    let kernel = kernel();
    let irql = kernel
        .sched
        .try_current()
        .map_or(0, |context| context.irql());
    let address = interrupted.address;
    let instruction = interrupted.registers.instruction_pointer;
    let mut history = Vec::new();
    let (code, parameters, message) = match interrupted.signal {
        libc::SIGILL => exception(
            status::ILLEGAL_INSTRUCTION,
            "an instruction that does not exist was run",
            [0; 2],
            interrupted,
        ),
        libc::SIGTRAP if interrupted.code == TRAP_TRACE => exception(
            status::SINGLE_STEP,
            "an instruction was run with the trap flag set",
            [0; 2],
            interrupted,
        ),
        libc::SIGTRAP => exception(
            status::BREAKPOINT,
            "a breakpoint was run",
            [0; 2],
            interrupted,
        ),
        libc::SIGABRT => exception(
            status::ILLEGAL_INSTRUCTION,
            "a driver ended its process, which a kernel has none of",
            [0; 2],
            interrupted,
        ),
        libc::SIGFPE => arithmetic(interrupted),
        libc::SIGBUS if interrupted.code == libc::BUS_ADRALN => exception(
            status::DATATYPE_MISALIGNMENT,
            "a misaligned address was used",
            [0; 2],
            interrupted,
        ),
        libc::SIGSEGV if interrupted.code == SI_KERNEL => general_protection(interrupted),
        _ if kernel.stacks.is_below_driver(address) || kernel.sched.is_below_stack(address) => {
            let bound = kernel.stacks.bound() >> 10;
            let debug = if cfg!(debug_assertions) {
                "; a debug build needs more stack than an optimised one, and Config::kernel_stack gives it"
            } else {
                ""
            };
            (
                StopCode::UNEXPECTED_KERNEL_MODE_TRAP,
                [8, address as u64, 0, instruction as u64],
                format!(
                    "the kernel's stack overflowed (double fault): a driver's frames may use {bound} KiB{debug}"
                ),
            )
        }
        _ => {
            let fault = kernel.explain_fault(address, irql);
            history = fault.history;
            (
                fault.code,
                [address as u64, u64::from(irql), 0, instruction as u64],
                fault.message,
            )
        }
    };
    let trace = interrupted.trace();
    let place = trace
        .origin()
        .unwrap_or_else(|| format!("{instruction:#x}"));
    BugCheck {
        code,
        parameters,
        message: format!("{message}, by {place}"),
        context: kernel.sched.current_name(),
        calls: kernel.sched.current_calls(),
        stack: Some(trace),
        history,
    }
}

/// `si_code` of a `SIGTRAP`: a single step.
const TRAP_TRACE: libc::c_int = 2;
/// `si_code` of a `SIGFPE`: an integer divided by zero, or a quotient too large.
const FPE_INTDIV: libc::c_int = 1;
/// `si_code` of a `SIGFPE`: a number divided by zero.
const FPE_FLTDIV: libc::c_int = 3;
/// `si_code` of a signal that the system raises without an address.
const SI_KERNEL: libc::c_int = 0x80;

#[derive(Clone, Copy)]
struct Registers {
    stack_pointer: usize,
    instruction_pointer: usize,
    /// The register that has a fast fail's code.
    fast_fail_code: u64,
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
            fast_fail_code: registers[libc::REG_RCX as usize] as u64 & 0xFFFF_FFFF,
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
        // The driver may have set flags under which no other code runs well: trap, direction,
        // alignment check.
        registers[libc::REG_EFL as usize] &= !(1 << 8 | 1 << 10 | 1 << 18);
    }

    /// Has the processor trap after the next instruction, or not.
    fn set_single_step(machine: &mut libc::ucontext_t, on: bool) {
        let flags = &mut machine.uc_mcontext.gregs[libc::REG_EFL as usize];
        *flags = *flags & !(1 << 8) | i64::from(on) << 8;
    }

    /// Whether a page fault was for a write.
    fn writes(machine: &libc::ucontext_t) -> bool {
        machine.uc_mcontext.gregs[libc::REG_ERR as usize] & 2 != 0
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    #[allow(clippy::cast_possible_truncation, reason = "registers hold addresses")]
    fn of(machine: &libc::ucontext_t) -> Self {
        Self {
            stack_pointer: machine.uc_mcontext.sp as usize,
            instruction_pointer: machine.uc_mcontext.pc as usize,
            fast_fail_code: machine.uc_mcontext.regs[0],
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

    /// Nothing is watched on this processor: `Machine::try_run` refuses to.
    fn set_single_step(_machine: &mut libc::ucontext_t, _on: bool) {}

    /// As above.
    fn writes(_machine: &libc::ucontext_t) -> bool {
        false
    }
}
