//! Somebody who has no right to give commands, on the same machine.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::Path,
    process::{Command, Output},
};

use crate::support::{BY_HAND, Live, integration, program};

/// A user that owns nothing, and is in no group.
const NOBODY: u32 = 65534;

/// Asks on one line whatever is given, and prints every line of the answer.
const ASK: &str = "
import socket, sys
door = socket.socket(socket.AF_UNIX)
door.settimeout(60)
door.connect(sys.argv[1])
try:
    door.sendall((sys.argv[2] + '\\n').encode())
except BrokenPipeError:
    pass # Who may not ask is told so before anything is read.
while (part := door.recv(65536)):
    sys.stdout.write(part.decode())
";

fn asks(user: u32, socket: &Path, request: &str) -> Output {
    let mut command = Command::new("python3");
    command.args(["-c", ASK]).arg(socket).arg(request).current_dir("/");
    command.uid(user).gid(user).output().unwrap()
}

#[tokio::test]
async fn a_stranger_gives_no_commands() {
    let live = Live::start(BY_HAND, &[("a.yaml", &integration("a", "x"))]).await;
    let home = live.home.path();
    if fs::metadata(home).unwrap().uid() != 0 {
        // Only root can be somebody else; the package's test and the test command run as root.
        assert!(std::env::var_os("RECONCILED_ALL").is_none(), "`bash tests/run` is for root");
        return;
    }
    let socket = home.join("socket");
    fs::set_permissions(home, fs::Permissions::from_mode(0o755)).unwrap();
    let pause = r#"{"do":"pause","what":"a"}"#;
    // The file lets nobody else in.
    let out = asks(NOBODY, &socket, pause);
    assert!(String::from_utf8_lossy(&out.stderr).contains("PermissionError"), "{out:?}");
    // Somebody opened it to everybody: then who asks is looked at.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let out = asks(NOBODY, &socket, pause);
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(told.contains("may not give commands to this daemon; root, the daemon's own user"), "{out:?}");
    assert!(live.said().contains("socket.refused"), "{}", live.said());
    let shown = || String::from_utf8(program(home).arg("status").output().unwrap().stdout).unwrap();
    assert!(!shown().contains("paused"), "{}", shown());
    // The same words of somebody who may.
    let paused = program(home).args(["pause", "a"]).output().unwrap();
    assert!(paused.status.success(), "{paused:?}");
    assert!(shown().contains("paused"), "{}", shown());
}
