//go:build linux && amd64

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// Of the system's interface, what package syscall lacks.
const (
	ptraceGetSigInfo = 0x4202
	ptraceGetRegSet  = 0x4204
	ptraceSetRegSet  = 0x4205
	noteXState       = 0x202 // NT_X86_XSTATE

	optionSeccomp  = 1 << 7  // PTRACE_O_TRACESECCOMP
	optionExitKill = 1 << 20 // PTRACE_O_EXITKILL
	eventSeccomp   = 7       // PTRACE_EVENT_SECCOMP

	waitAll = 0x40000000 // __WALL

	sysProcessVMReadv  = 310
	sysProcessVMWritev = 311
	sysSeccomp         = 317

	setNoNewPrivs        = 38     // PR_SET_NO_NEW_PRIVS
	seccompSetModeFilter = 1      // SECCOMP_SET_MODE_FILTER
	archSetCPUID         = 0x1012 // ARCH_SET_CPUID
	archReqXCompPerm     = 0x1023 // ARCH_REQ_XCOMP_PERM
	xfeatureTileData     = 18     // XFEATURE_XTILEDATA
)

// process is what the threads of a process share.
type process struct {
	tilesPermitted bool
}

// thread is one traced thread.
type thread struct {
	id       int
	process  *process
	attached bool // its first stop, which attaching causes, is over
	tiles    tiles
}

// tracer runs a command and everything that it starts.
type tracer struct {
	features features
	threads  map[int]*thread
	early    map[int]bool // new threads that stopped before their parent told of them
	xstate   []byte

	root   int // the command's process
	status int // with which it ended

	emulated [operations]int
	stops    int
}

func newTracer(f features) *tracer {
	return &tracer{features: f, threads: map[int]*thread{}, early: map[int]bool{}, xstate: make([]byte, 1<<16)}
}

// run returns the status with which the command ended.
func (t *tracer) run(path string, command []string) (status int, err error) {
	root, err := syscall.ForkExec(path, command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", path, err)
	}
	t.root = root
	var state syscall.WaitStatus
	if _, err := wait(root, &state); err != nil {
		return 0, err
	}
	if !state.Stopped() {
		return 0, fmt.Errorf("%s ended before it could be traced", path)
	}
	err = syscall.PtraceSetOptions(root, syscall.PTRACE_O_TRACECLONE|syscall.PTRACE_O_TRACEFORK|
		syscall.PTRACE_O_TRACEVFORK|syscall.PTRACE_O_TRACEEXEC|optionSeccomp|optionExitKill)
	if err != nil {
		return 0, fmt.Errorf("ptrace: %w", err)
	}
	t.threads[root] = &thread{id: root, process: &process{}, attached: true}
	if err := trapArchPrctl(root); err != nil {
		return 0, err
	}
	if err := trapCPUID(root); err != nil {
		return 0, err
	}
	if err := resume(root, 0); err != nil {
		return 0, err
	}
	for {
		id, err := wait(-1, &state)
		if errors.Is(err, syscall.ECHILD) {
			return t.status, nil
		}
		if err != nil {
			return 0, err
		}
		if !state.Stopped() {
			t.ended(id, state)
			continue
		}
		// A thread may be killed at any moment, also while it is stopped.
		if err := t.stopped(id, state); err != nil && !errors.Is(err, syscall.ESRCH) {
			return 0, err
		}
	}
}

func (t *tracer) ended(id int, state syscall.WaitStatus) {
	delete(t.threads, id)
	if id != t.root {
		return
	}
	if state.Exited() {
		t.status = state.ExitStatus()
	} else {
		t.status = 128 + int(state.Signal())
	}
}

func wait(id int, state *syscall.WaitStatus) (int, error) {
	for {
		got, err := syscall.Wait4(id, state, waitAll, nil)
		if !errors.Is(err, syscall.EINTR) {
			if err != nil {
				err = fmt.Errorf("wait4: %w", err)
			}
			return got, err
		}
	}
}

func resume(id int, signal syscall.Signal) error {
	if err := syscall.PtraceCont(id, int(signal)); err != nil {
		return fmt.Errorf("continuing: %w", err)
	}
	return nil
}

// stopped handles one stop of one thread and lets it go on.
func (t *tracer) stopped(id int, state syscall.WaitStatus) error {
	th := t.threads[id]
	if th == nil {
		// Its parent is about to tell of it.
		t.early[id] = true
		return nil
	}
	signal := state.StopSignal()
	if signal == syscall.SIGTRAP {
		switch event := int(state >> 16); event {
		case syscall.PTRACE_EVENT_CLONE, syscall.PTRACE_EVENT_FORK, syscall.PTRACE_EVENT_VFORK:
			if err := t.born(th, event); err != nil {
				return err
			}
			return resume(id, 0)
		case syscall.PTRACE_EVENT_EXEC:
			return t.executed(th)
		case eventSeccomp:
			return t.archPrctl(th)
		}
	}
	if signal == syscall.SIGSTOP && !th.attached {
		th.attached = true
		return resume(id, 0)
	}
	if signal == syscall.SIGILL || signal == syscall.SIGSEGV {
		raised, err := raisedByProcessor(id)
		if err != nil {
			return err
		}
		if raised {
			t.stops++
			done, err := t.emulate(th)
			if err != nil {
				return err
			}
			if done {
				signal = 0
			}
		}
	}
	return resume(id, signal)
}

// born takes in a new thread or process.
func (t *tracer) born(parent *thread, event int) error {
	message, err := syscall.PtraceGetEventMsg(parent.id)
	if err != nil {
		return fmt.Errorf("ptrace event: %w", err)
	}
	child := &thread{id: int(message), process: parent.process}
	// Threads of the same process are known to the system as its tasks.
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", parent.id, child.id)); err != nil {
		child.process = &process{tilesPermitted: parent.process.tilesPermitted}
	}
	t.threads[child.id] = child
	if t.early[child.id] {
		delete(t.early, child.id)
		child.attached = true
		if err := resume(child.id, 0); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// executed prepares a process for its new program, which has tiles and CPUID
// as all programs have them at first. The thread that called exec has the
// number of the process now.
func (t *tracer) executed(th *thread) error {
	th.process = &process{}
	th.tiles = tiles{}
	// The call itself must return before another can be made.
	if err := syscall.PtraceSyscall(th.id, 0); err != nil {
		return fmt.Errorf("continuing: %w", err)
	}
	var state syscall.WaitStatus
	if _, err := wait(th.id, &state); err != nil {
		return err
	}
	if !state.Stopped() {
		t.ended(th.id, state)
		return nil
	}
	if err := trapCPUID(th.id); err != nil {
		return err
	}
	return resume(th.id, 0)
}

// archPrctl answers a request for tiles in the kernel's stead and lets it
// handle all other requests.
func (t *tracer) archPrctl(th *thread) error {
	var r syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(th.id, &r); err != nil {
		return fmt.Errorf("reading registers: %w", err)
	}
	if t.features.amx && r.Rdi == archReqXCompPerm && r.Rsi == xfeatureTileData {
		th.process.tilesPermitted = true
		r.Orig_rax = ^uint64(0) // no system call
		r.Rax = 0
		if err := syscall.PtraceSetRegs(th.id, &r); err != nil {
			return fmt.Errorf("writing registers: %w", err)
		}
	}
	return resume(th.id, 0)
}

// raisedByProcessor tells exceptions from signals that a program sent.
func raisedByProcessor(id int) (bool, error) {
	var info struct {
		signal, errno, code int32
		rest                [116]byte
	}
	if err := ptrace(ptraceGetSigInfo, id, 0, unsafe.Pointer(&info)); err != nil {
		return false, err
	}
	return info.code > 0, nil
}

func ptrace(request, id, address int, data unsafe.Pointer) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(id), uintptr(address), uintptr(data), 0, 0); errno != 0 {
		return fmt.Errorf("ptrace: %w", errno)
	}
	return nil
}

// batchBytes is how much code is read at a stop. Emulated instructions that
// follow one another are all done at once.
const batchBytes = 256

// emulate does the instructions at which a thread has stopped, unless the
// processor was right to stop there.
func (t *tracer) emulate(th *thread) (done bool, err error) {
	var r syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(th.id, &r); err != nil {
		return false, fmt.Errorf("reading registers: %w", err)
	}
	var buffer [batchBytes]byte
	code := buffer[:readSome(th.id, r.Rip, buffer[:])]
	if bytes.HasPrefix(code, []byte{0x0f, 0xa2}) { // CPUID
		eax, ebx, ecx, edx := t.features.cpuid(uint32(r.Rax), uint32(r.Rcx))
		r.Rax, r.Rbx, r.Rcx, r.Rdx = uint64(eax), uint64(ebx), uint64(ecx), uint64(edx)
		r.Rip += 2
		done = true
	} else if done, err = t.emulateRun(th, &r, code); err != nil || !done {
		return false, err
	}
	if err := syscall.PtraceSetRegs(th.id, &r); err != nil {
		return false, fmt.Errorf("writing registers: %w", err)
	}
	return done, nil
}

func (t *tracer) emulateRun(th *thread, r *syscall.PtraceRegs, code []byte) (done bool, err error) {
	general := registers{r.Rax, r.Rcx, r.Rdx, r.Rbx, r.Rsp, r.Rbp, r.Rsi, r.Rdi,
		r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15}
	var vectors []byte
	for {
		in, ok, err := decode(code)
		if in.op == vpdpbusd {
			ok = ok && t.features.avxvnni
		} else {
			ok = ok && t.features.amx
		}
		if !ok || (err != nil && done) {
			break // of a later instruction that is wrong its own stop will tell
		}
		if err == nil {
			general[nextInstruction] = r.Rip + uint64(in.length)
			switch {
			case in.op != vpdpbusd && !th.process.tilesPermitted:
				err = fault("#NM: the process has not asked for tiles")
			case in.op != vpdpbusd:
				err = th.tiles.execute(&in, &general, remote(th.id))
			default:
				if vectors == nil {
					vectors, err = t.readVectors(th.id)
				}
				if err == nil {
					err = executeVPDPBUSD(&in, &general, remote(th.id), vectors)
				}
			}
		}
		if err != nil {
			if errors.Is(err, syscall.ESRCH) {
				return false, err
			}
			return false, fmt.Errorf("%v at %#x: %w", &in, r.Rip, err)
		}
		t.emulated[in.op]++
		done = true
		r.Rip += uint64(in.length)
		code = code[in.length:]
	}
	if vectors != nil {
		if err := writeVectors(th.id, vectors); err != nil {
			return false, err
		}
	}
	return done, nil
}

func (t *tracer) readVectors(id int) ([]byte, error) {
	v := syscall.Iovec{Base: &t.xstate[0], Len: uint64(len(t.xstate))}
	if err := ptrace(ptraceGetRegSet, id, noteXState, unsafe.Pointer(&v)); err != nil {
		return nil, fmt.Errorf("reading vector registers: %w", err)
	}
	return t.xstate[:v.Len], nil
}

func writeVectors(id int, xstate []byte) error {
	v := syscall.Iovec{Base: &xstate[0], Len: uint64(len(xstate))}
	if err := ptrace(ptraceSetRegSet, id, noteXState, unsafe.Pointer(&v)); err != nil {
		return fmt.Errorf("writing vector registers: %w", err)
	}
	return nil
}

// remote is the memory of a traced thread's process.
type remote int

func (id remote) read(address uint64, p []byte) error {
	return id.move(sysProcessVMReadv, address, p)
}

func (id remote) write(address uint64, p []byte) error {
	return id.move(sysProcessVMWritev, address, p)
}

func (id remote) move(call uintptr, address uint64, p []byte) error {
	n, errno := moveMemory(call, int(id), address, p)
	if errno == syscall.ESRCH {
		return errno
	}
	if n != len(p) {
		return fault(fmt.Sprintf("#PF: %d bytes at %#x", len(p), address))
	}
	return nil
}

func moveMemory(call uintptr, id int, address uint64, p []byte) (int, syscall.Errno) {
	local := syscall.Iovec{Base: &p[0], Len: uint64(len(p))}
	there := struct{ base, length uint64 }{address, uint64(len(p))}
	n, _, errno := syscall.RawSyscall6(call, uintptr(id), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&there)), 1, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// readSome reads up to len(p) bytes: what lies in memory before the next page
// may be all that there is.
func readSome(id int, address uint64, p []byte) int {
	n, _ := moveMemory(sysProcessVMReadv, id, address, p)
	if n == 0 {
		const page = 4096
		n, _ = moveMemory(sysProcessVMReadv, id, address, p[:min(uint64(len(p)), page-address%page)])
	}
	return n
}

// trapCPUID lets CPUID fault in a stopped thread and in those that it starts,
// until the next exec.
func trapCPUID(id int) error {
	result, err := call(id, syscall.SYS_ARCH_PRCTL, archSetCPUID, 0)
	if err != nil {
		return err
	}
	if result != 0 {
		return fmt.Errorf("making CPUID fault: %w (processor or hypervisor lack CPUID faulting)", syscall.Errno(-result))
	}
	return nil
}

// trapArchPrctl lets arch_prctl stop a stopped thread and all that it starts.
func trapArchPrctl(id int) error {
	// struct sock_filter: code, jump if true, jump if false, operand.
	type filter struct {
		code     uint16
		yes, no  uint8
		constant uint32
	}
	const (
		load, jumpIfEqual, result    = 0x20, 0x15, 0x06
		callNumber, callArchitecture = 0, 4 // offsets in struct seccomp_data
		x8664                        = 0xc000003e
		resultTrace, resultAllow     = 0x7ff00000, 0x7fff0000
	)
	program := []filter{
		{load, 0, 0, callArchitecture},
		{jumpIfEqual, 0, 3, x8664},
		{load, 0, 0, callNumber},
		{jumpIfEqual, 0, 1, syscall.SYS_ARCH_PRCTL},
		{result, 0, 0, resultTrace},
		{result, 0, 0, resultAllow},
	}
	var r syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(id, &r); err != nil {
		return fmt.Errorf("reading registers: %w", err)
	}
	// struct sock_fprog and behind it the program, below the stack.
	at := (r.Rsp - 1024) &^ 15
	image := binary.LittleEndian.AppendUint64(nil, uint64(len(program)))
	image = binary.LittleEndian.AppendUint64(image, at+16)
	for _, f := range program {
		image = binary.LittleEndian.AppendUint16(image, f.code)
		image = append(image, f.yes, f.no)
		image = binary.LittleEndian.AppendUint32(image, f.constant)
	}
	if err := remote(id).write(at, image); err != nil {
		return err
	}
	if result, err := call(id, syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0); err != nil || result != 0 {
		return fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %d, %w", result, err)
	}
	if result, err := call(id, sysSeccomp, seccompSetModeFilter, 0, at); err != nil || result != 0 {
		return fmt.Errorf("seccomp: %d, %w", result, err)
	}
	return nil
}

// call lets a stopped thread make a system call and stop again.
func call(id int, number uint64, arguments ...uint64) (result int64, err error) {
	var saved syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(id, &saved); err != nil {
		return 0, fmt.Errorf("reading registers: %w", err)
	}
	trap := []byte{0x0f, 0x05, 0xcc} // SYSCALL, INT3
	code := make([]byte, len(trap))
	if _, err := syscall.PtracePeekText(id, uintptr(saved.Rip), code); err != nil {
		return 0, fmt.Errorf("reading code: %w", err)
	}
	if _, err := syscall.PtracePokeText(id, uintptr(saved.Rip), trap); err != nil {
		return 0, fmt.Errorf("writing code: %w", err)
	}
	r := saved
	r.Rax, r.Orig_rax = number, ^uint64(0)
	for i, register := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9}[:len(arguments)] {
		*register = arguments[i]
	}
	if err := syscall.PtraceSetRegs(id, &r); err != nil {
		return 0, fmt.Errorf("writing registers: %w", err)
	}
	for {
		if err := resume(id, 0); err != nil {
			return 0, err
		}
		var state syscall.WaitStatus
		if _, err := wait(id, &state); err != nil {
			return 0, err
		}
		if state.Stopped() && state.StopSignal() == syscall.SIGTRAP && state>>16 == eventSeccomp {
			continue
		}
		if !state.Stopped() || state.StopSignal() != syscall.SIGTRAP || state>>16 != 0 {
			return 0, fmt.Errorf("system call %d: the process did not come back (status %#x)", number, uint32(state))
		}
		break
	}
	if err := syscall.PtraceGetRegs(id, &r); err != nil {
		return 0, fmt.Errorf("reading registers: %w", err)
	}
	if r.Rip != saved.Rip+uint64(len(trap)) {
		return 0, fmt.Errorf("system call %d: the process stopped at %#x", number, r.Rip)
	}
	if _, err := syscall.PtracePokeText(id, uintptr(saved.Rip), code); err != nil {
		return 0, fmt.Errorf("writing code: %w", err)
	}
	saved.Orig_rax = ^uint64(0)
	if err := syscall.PtraceSetRegs(id, &saved); err != nil {
		return 0, fmt.Errorf("writing registers: %w", err)
	}
	return int64(r.Rax), nil
}
