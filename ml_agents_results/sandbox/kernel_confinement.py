"""Kernel confinement: what Linux itself refuses to a process from now on, and to all it starts.

- Namespaces: a network without interfaces.
- Landlock: files outside of a folder and of Python's library, TCP, signals to other processes.
- seccomp: system calls that a calculation does not need, such as those that start programs.

Each is left out where the kernel does not offer it, and nothing here can be undone. The module is
run by `child_process`, in an interpreter without site packages: it imports nothing of this package.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Version of Landlock to the number of its rights on files; later versions have those of 5."""
_WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 1, 1 << 2, 1 << 3
_REMOVE_FOLDER, _REMOVE_FILE, _MAKE_FOLDER, _MAKE_FILE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_TRUNCATE = 1 << 14
_READ = _READ_FILE | _READ_FOLDER
_WORK = _READ | _WRITE_FILE | _REMOVE_FOLDER | _REMOVE_FILE | _MAKE_FOLDER | _MAKE_FILE | _TRUNCATE
_TCP = 0b11
_SIGNALS_AND_ABSTRACT_SOCKETS = 0b11
_SHARED_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/urandom")

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED_CALLS = {
    # Processes and programs; `clone` is refused without CLONE_THREAD.
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "setns": (308, 268), "unshare": (272, 97),
    # Network.
    "socket": (41, 198), "socketpair": (53, 199), "bind": (49, 200), "connect": (42, 203),
    # Files by ways that Landlock does not see, and what belongs to others.
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "mknod": (133, None), "mknodat": (259, 33),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "utimensat": (280, 88), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # The system.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "init_module": (175, 105), "finit_module": (313, 273), "kexec_load": (246, 104),
    "reboot": (169, 142), "syslog": (103, 116),
}  # fmt: skip
"""System calls to their numbers on x86_64 and aarch64."""
_CLONE, _CLONE3, _TGKILL, _PRLIMIT = (56, 220), (435, 435), (234, 131), (302, 261)
_CLONE_THREAD = 0x10000


def confine(folder: str, library: Iterable[str]) -> Iterator[str]:
    """Confines this process to a folder, and yields the names of what does it.

    Args:
        folder: What it may read and write.
        library: Files and folders that it may read, besides shared libraries.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if any(libc.unshare(flags) == 0 for flags in (_NEW_USER | _NEW_NETWORK, _NEW_NETWORK)):
        yield "network namespace"
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return
    if _landlock(libc, folder, library):
        yield "landlock"
    if _seccomp(libc):
        yield "seccomp"


def _landlock(libc: ctypes.CDLL, folder: str, library: Iterable[str]) -> bool:
    version = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    files = (1 << _FILE_RIGHTS[min(version, 5)]) - 1
    tcp = _TCP if version >= 4 else 0
    scoped = _SIGNALS_AND_ABSTRACT_SOCKETS if version >= 6 else 0
    attributes = struct.pack("=QQQ", files, tcp, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_LANDLOCK_CREATE, attributes, size, 0)
    if rules < 0:
        return False
    allowed = [(folder, _WORK), *((path, _READ) for path in (*library, *_SHARED_LIBRARIES))]
    allowed += [(path, _READ_FILE | _WRITE_FILE) for path in _DEVICES]
    for path, rights in allowed:
        with suppress(OSError):
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            if not os.path.isdir(path):  # noqa: PTH112 - pathlib takes time to import
                rights &= _READ_FILE | _WRITE_FILE | _TRUNCATE
            rule = struct.pack("=Qi", rights & files, opened)
            libc.syscall(_LANDLOCK_ADD, rules, 1, rule, 0)
            os.close(opened)
    restricted: bool = libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return restricted


def _seccomp(libc: ctypes.CDLL) -> bool:
    machine = platform.machine()
    if machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    column = list(_ARCHITECTURES).index(machine)
    load, equal, at_least, test, give = 0x20, 0x15, 0x35, 0x45, 0x06
    number, architecture, first_argument = 0, 4, 16
    allow, refuse, absent, kill = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, 1 << 31
    program = [
        (load, 0, 0, architecture),
        (equal, 1, 0, _ARCHITECTURES[machine]),
        (give, 0, 0, kill),
        (load, 0, 0, number),
        # The second set of numbers of x86_64.
        (at_least, 0, 1, 0x40000000),
        (give, 0, 0, refuse),
        # glibc then uses `clone`, whose flags can be looked at.
        (equal, 0, 1, _CLONE3[column]),
        (give, 0, 0, absent),
        (equal, 0, 4, _CLONE[column]),
        (load, 0, 0, first_argument),
        (test, 0, 1, _CLONE_THREAD),
        (give, 0, 0, allow),
        (give, 0, 0, refuse),
    ]
    # `abort` signals, and limits concern, the process itself; no other one.
    for call, own in ((_TGKILL[column], os.getpid()), (_PRLIMIT[column], 0)):
        program += [
            (equal, 0, 4, call),
            (load, 0, 0, first_argument),
            (equal, 0, 1, own),
            (give, 0, 0, allow),
            (give, 0, 0, refuse),
        ]
    for numbers in _REFUSED_CALLS.values():
        if (known := numbers[column]) is not None:
            program += [(equal, 0, 1, known), (give, 0, 0, refuse)]
    program.append((give, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
    descriptor = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    confined: bool = libc.prctl(_SET_SECCOMP, _FILTER, descriptor, 0, 0) == 0
    return confined
