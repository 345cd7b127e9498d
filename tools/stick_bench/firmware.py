"""A second emulated computer, which starts from a stick under UEFI as a board does."""
import os
import re
import shutil
import subprocess
import time

from .board import die_with_parent

CODE, VARIABLES = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"


def consoles_of_start(stick, folder, sector, until, timeout=240):
    """Starts from the file `stick` as a disk with such sectors until a console matches `until`, and returns what the consoles said."""
    os.makedirs(folder, exist_ok=True)
    variables, logs = os.path.join(folder, "variables"), [os.path.join(folder, name) for name in ("firmware.log", "guest.log")]
    shutil.copy(VARIABLES, variables)
    words = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "tcg,tb-size=256,thread=single",
        "-cpu", "max,+svm,+npt", "-m", "1024M", "-no-reboot", "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={CODE}",
        "-drive", f"if=pflash,unit=1,format=raw,file={variables}", "-serial", "file:" + logs[0], "-serial", "file:" + logs[1],
        "-netdev", "hubport,id=wire,hubid=0", "-device", "virtio-net-pci,netdev=wire,speed=1000,duplex=full,romfile=",
        "-device", "qemu-xhci,id=usb", "-device", "usb-bot,id=bridge,bus=usb.0",
        "-blockdev", f"raw,node-name=stick,file.driver=file,file.filename={stick}",
        "-device", f"scsi-hd,bus=bridge.0,drive=stick,removable=on,bootindex=0,logical_block_size={sector},physical_block_size={sector}",
    ]

    def said():
        return "\n".join(open(path, errors="replace").read() for path in logs if os.path.exists(path))

    with open(os.path.join(folder, "emulator.log"), "wb") as errors:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, preexec_fn=die_with_parent)
    try:
        deadline = time.monotonic() + timeout
        while not re.search(until, said()) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
        return said()
    finally:
        process.kill()
        process.wait()
