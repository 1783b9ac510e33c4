// As mutants.mjs, of the places and files of a bus: each repair or check is left out once, and the named test must notice.

const attachment = 'src/bus/attachment.rs'
const fifo = 'src/wake/fifo.rs'
const files = 'src/bus/files.rs'
const lock = 'src/segment/lock.rs'
const lost = 'src/segment/lost.rs'
const mapping = 'src/segment/mapping.rs'
const place = 'src/segment/place.rs'
const presence = 'src/segment/presence.rs'
const shared = 'src/bus/shared.rs'
const sweep = 'src/segment/sweep.rs'
const wake = 'src/wake/mod.rs'
const witness = 'src/segment/witness.rs'

const crash = (file, test) => `node::tests/crash/${file}.test.js::${test}`
const vanished = (test) => crash('vanished', test)
const everything = vanished('everything, as at logout removed')
const folder = vanished('its folder removed')
const back = vanished('what is removed comes back')
const splitFolder = vanished('two buses of one name, where it could not be helped .its folder')
const splitFiles = vanished('two buses of one name, where it could not be helped .all but')
const group = (test) => crash('group', test)
const umask = group('whatever their umask')
const lastIsAnother = group('the last one to leave does not own the memory')
const strangers = (test) => crash('strangers', test)
const ownFolder = strangers('in our own folder')
const version = (test) => crash('versions', test)
const comingAndGoing = 'rust::crash::coming_and_going_on_several_buses_at_once_is_never_an_error'
const roundAbout = 'wake::fifo::tests::a_sleeper_whose_file_was_removed_is_found_by_its_descriptor_and_by_no_other'

const chmod = (file) => `${file}.set_permissions(std::fs::Permissions::from_mode(self.mode))?;`

const checks = [
  [
    'lost',
    'nobody looks for a bus without its files',
    shared,
    'if !is_anyone_present(place.mark()).map_err(|error| os(place.folder(), error))? {',
    'if true {',
    folder,
  ],
  [
    'lost',
    'who has the nameless memory is not told',
    shared,
    'InUse { pid: nameless(place) }',
    'InUse { pid: None }',
    vanished('the memory removed'),
  ],
  ['lost', 'memory of another place is joined', lost, ' && label.place == place.mark())', ')', folder],
  [
    'lost',
    'the sweep does not look for it',
    sweep,
    '        sweep_lost(id);\n',
    '        let _ = (sweep_lost, id);\n',
    vanished('all files removed and then all members killed'),
  ],
  [
    'lost',
    'the sweep asks nobody',
    sweep,
    'is_some_and(|label| is_anyone_present(label.place).is_ok_and(|present| !present))',
    'is_some()',
    folder,
  ],
  [
    'lost',
    'who removes a bus does not close its memory',
    shared,
    '        self.segment.mark_closed();\n        step("remove: closed");',
    '        step("remove: closed");',
    vanished('who left a bus before'),
  ],
  [
    'lost',
    'who replaces a dead bus does not close its memory',
    sweep,
    '        segment.mark_closed();\n',
    '        let _ = segment;\n',
    vanished('who left a bus before'),
  ],
  [
    'presence',
    'not declared',
    presence,
    '        lock(&folder, libc::F_OFD_SETLK, libc::F_RDLCK, mark)?;\n',
    '        let _ = mark;\n',
    folder,
  ],
  [
    'presence',
    'the same for all buses',
    presence,
    '(mark >> 2) as _',
    '(mark & 0) as _',
    vanished('all files removed and then all members killed'),
  ],
  [
    'presence',
    'still there when it can be seen to leave',
    shared,
    '        drop(membership.presence);\n',
    '',
    comingAndGoing,
  ],
  [
    'presence',
    'not asked by the sweep',
    sweep,
    'anyone_lives(place) || is_anyone_present(place.mark()).unwrap_or(true)',
    'anyone_lives(place)',
    vanished('the locks of the members removed'),
  ],
  [
    'files',
    'the pointer is not put back',
    files,
    'Pointer::Gone => self.put_pointer_back()?,',
    'Pointer::Gone => {}',
    everything,
  ],
  [
    'files',
    'the lock is not made anew by who needs it',
    files,
    '            Err(LockError::Stale) => {}\n',
    '',
    vanished('the registry lock removed'),
  ],
  ['files', 'the lock is not made anew once a second', files, 'if !self.lock().is_named() {', 'if false {', back],
  [
    'files',
    'the own lock file is not put back',
    files,
    '.is_err_and(|error| error.kind() == ErrorKind::NotFound)\n',
    '.is_err_and(|_| false)\n',
    vanished('the locks of the members removed'),
  ],
  ['split', 'not told', attachment, 'self.split = Split::Untold;', 'self.split = Split::Told;', splitFolder],
  [
    'split',
    'the lock of the other bus is taken',
    files,
    '        if self.pointer() == Pointer::Elsewhere {\n',
    '        if false {\n',
    splitFolder,
  ],
  [
    'split',
    'who leaves removes files of the other bus',
    shared,
    '        if self.pointer() != Pointer::Elsewhere {\n            self.remove_member_files(membership.number);',
    '        {\n            self.remove_member_files(membership.number);',
    splitFiles,
  ],
  [
    'split',
    'who buries removes files of the other bus',
    shared,
    'if buried && self.pointer() != Pointer::Elsewhere {',
    'if buried {',
    splitFiles,
  ],
  [
    'split',
    'the last to leave removes the other bus',
    shared,
    '        if self.pointer() != Pointer::Elsewhere {\n            remove_bus',
    '        {\n            remove_bus',
    splitFiles,
  ],
  [
    'split',
    'the last to leave leaves its memory',
    shared,
    'if matches!(error, LockError::Split) && self.is_deserted() {',
    'if false {\n            let _ = error;',
    splitFolder,
  ],
  [
    'owed',
    'no note of memory that is another user’s',
    sweep,
    '        let _ = File::create(place.owed(&id[1..]));\n',
    '        let _ = (File::create::<&str>, place);\n',
    lastIsAnother,
  ],
  [
    'owed',
    'the note is not acted upon',
    sweep,
    'if is_ours(&id) && Segment::unlink(&id) {',
    'if false && Segment::unlink(&id) {',
    lastIsAnother,
  ],
  ['owed', 'not while the bus lives', sweep, '        remove_owed(&other);\n', '', lastIsAnother],
  [
    'owed',
    'the memory is not given back',
    mapping,
    '            let _ = rustix::fs::ftruncate(&memory, 0);\n',
    '            let _ = memory;\n',
    lastIsAnother,
  ],
  [
    'owed',
    'buses of the other kind are not swept',
    sweep,
    '[sweep_root(place), sweep_root(&place.other_root())]',
    '[sweep_root(place)]',
    lastIsAnother,
  ],
  [
    'mode',
    'of folders',
    place,
    'std::fs::set_permissions(folder, permissions).map_err(|e| PlaceError::io(folder, e))?;',
    'let _ = permissions;',
    umask,
  ],
  ['mode', 'of pointers', place, `        ${chmod('file')}\n`, '', umask],
  [
    'mode',
    'of the registry lock',
    lock,
    'let _ = anchor.set_permissions(std::fs::Permissions::from_mode(place.mode()));',
    'let _ = std::fs::Permissions::from_mode(place.mode());',
    umask,
  ],
  [
    'mode',
    'of the lock of a member',
    witness,
    'let permitted = file.set_permissions(Permissions::from_mode(mode));',
    'let permitted: io::Result<()> = Ok(drop(Permissions::from_mode(mode)));',
    umask,
  ],
  ['mode', 'of the semaphore', fifo, '        rustix::fs::fchmod(&fifo, Mode::from_raw_mode(mode))?;\n', '', umask],
  [
    'mode',
    'of the memory',
    mapping,
    '        rustix::fs::fchmod(&memory, mode).map_err(|e| os_error(id, e))?;\n',
    '        let _ = mode;\n',
    umask,
  ],
  [
    'owner',
    'not looked at',
    place,
    'uid == expected && mode & 0o077 == 0',
    'mode & 0o077 == 0',
    strangers('the folder of all buses is of another user'),
  ],
  [
    'owner',
    'who else is let in, not looked at',
    place,
    'uid == expected && mode & 0o077 == 0',
    'uid == expected',
    strangers('it is open to more than its owner'),
  ],
  [
    'owner',
    'of a shared bus, not looked at',
    place,
    'gid == rustix::process::getegid().as_raw() && mode & 0o007 == 0',
    'mode & 0o007 == 0',
    group('what another group made'),
  ],
  [
    'owner',
    'who else is let in to a shared bus, not looked at',
    place,
    'gid == rustix::process::getegid().as_raw() && mode & 0o007 == 0',
    'gid == rustix::process::getegid().as_raw()',
    group('what another group made'),
  ],
  [
    'owner',
    'anything in the place of a folder',
    place,
    'if trusted && right_kind {',
    'if trusted {',
    strangers('it is open to more than its owner'),
  ],
  ['owner', 'a lock with a second name', place, ' && meta.nlink() == 1 }', ' }', group('links in the place of a file')],
  ['owner', 'memory with a second name', place, 'stat.st_nlink <= 1)', 'true)', group('links in the place of a file')],
  ['owner', 'of the memory, not looked at', mapping, '        place.check_memory(id, &stat)?;\n', '', ownFolder],
  ['owner', 'of the lock, not looked at', lock, '        place.check(&path, false)?;\n', '', ownFolder],
  [
    'owner',
    'the sweep goes where others lead it',
    sweep,
    'if place.check(place.root(), true).is_err() {',
    'if false {',
    strangers('it is a link to somewhere of our own'),
  ],
  ['version', 'not compared', mapping, 'if found != LAYOUT_VERSION {', 'if false {', version('version 3, alive')],
  [
    'witness',
    'a pid of another /proc is believed',
    witness,
    'Fate::Runs { started } if is_mine =>',
    'Fate::Runs { started } if is_mine || true =>',
    crash('namespaces', 'two threads of a PID namespace'),
  ],
  [
    'wake',
    'no way to a semaphore without its file',
    fifo,
    'Err(Errno::NOENT) => rustix::fs::open(sleeper.way_round(path)?, flags, Mode::empty()),',
    'Err(Errno::NOENT) => return { let _ = sleeper; None },',
    roundAbout,
  ],
  [
    'wake',
    'whatever bears its number is written into',
    wake,
    '(removed.to_str()? == format!("{} (deleted)", path.display())).then_some(way)',
    '{\n            let _ = (removed, path);\n            Some(way)\n        }',
    roundAbout,
  ],
]

export const places = checks.map(([rule, name, file, find, replace, test]) => ({
  rule: `place ${rule}`,
  name,
  file,
  find,
  replace,
  test,
}))
