// As mutants.mjs, of the places and files of a bus: each repair or check is left out once, and the named test must notice.

const care = 'src/bus/care.rs'
const fifo = 'src/wake/fifo.rs'
const files = 'src/bus/files.rs'
const lost = 'src/segment/lost.rs'
const unix = (contract) => `src/segment/os/unix/${contract}.rs`
const mapping = 'src/segment/mapping.rs'
const opening = 'src/bus/opening.rs'
const place = 'src/segment/place.rs'
const shared = 'src/bus/shared.rs'
const sweep = 'src/segment/sweep.rs'
const wake = 'src/wake/mod.rs'
const witness = 'src/segment/witness.rs'

const crash = (file, test) => `node::tests/crash/${file}.test.js::${test}`
const vanished = (test) => crash('vanished', test)
const everything = vanished('everything, as at logout removed')
const folder = vanished('its folder removed')
const copied = 'rust::fork::a_forked_copy_of_who_left_or_died_is_not_said_to_have_the_bus_that_has_its_name_now'
const back = vanished('what is removed comes back')
const splitFolder = vanished('two buses of one name, where it could not be helped .its folder')
const splitFiles = vanished('two buses of one name, where it could not be helped .all but')
const leftovers = (test) => crash('leftovers', test)
const group = (test) => crash('group', test)
const umask = group('whatever their umask')
const lastIsAnother = group('the last one to leave does not own the memory')
const strangers = (test) => crash('strangers', test)
const ownFolder = strangers('in our own folder')
const version = (test) => crash('versions', test)
const dying = 'rust::leader::what_a_dying_process_still_holds_is_waited_for'
const roundAbout = 'wake::fifo::tests::a_sleeper_whose_file_was_removed_is_found_by_its_descriptor_and_by_no_other'

const checks = [
  [
    'lost',
    'nobody looks for a bus without its files',
    opening,
    'if present == Present::Nobody {',
    'if true || present == Present::Nobody {',
    folder,
  ],
  [
    'lost',
    'who has the nameless memory is not told',
    opening,
    'InUse { pid: Some(pid) }',
    'InUse { pid: Some(pid).filter(|_| false) }',
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
    'label.is_some_and(|label| Present::at(label.place) == Present::Nobody)',
    'label.is_some()',
    folder,
  ],
  [
    'lost',
    'who is present is said to have memory, and is not waited for',
    opening,
    '.elapsed() > GHOST_WAIT {',
    '.elapsed() >= 0 * GHOST_WAIT {',
    dying,
  ],
  [
    'lost',
    'nor when nobody has the memory',
    opening,
    '(Holder::Nobody, Present::Somebody) => Err(Attempt::Ghost),',
    '(Holder::Nobody, Present::Somebody) => Err(OpenError::InUse { pid: None }.into()),',
    dying,
  ],
  [
    'lost',
    'who keeps only what was left is not told from nobody',
    unix('memory'),
    'Some(_) => holder = Holder::Left,',
    'Some(_) => holder = Holder::Nobody,',
    'rust::fork::a_forked_child_that_outlives_its_parents_bus_stands_in_nobodys_way',
  ],
  [
    'lost',
    'who keeps only what was left has the bus',
    unix('memory'),
    'Some(_) => holder = Holder::Left,',
    'Some(_) => return Holder::Member(pid),',
    'rust::fork::a_forked_child_that_outlives_its_parents_bus_stands_in_nobodys_way',
  ],
  [
    'lost',
    'who removes a bus does not close its memory',
    shared,
    '        self.segment.mark_closed();\n        step("remove: closed");',
    '        step("remove: closed");',
    copied,
  ],
  [
    'lost',
    'who replaces a dead bus does not close its memory',
    sweep,
    '        segment.mark_closed();\n',
    '        let _ = segment;\n',
    copied,
  ],
  [
    'presence',
    'not declared',
    unix('presence'),
    'lock(&folder, libc::F_OFD_SETLK, libc::F_RDLCK, mark)',
    'lock(&folder, libc::F_OFD_GETLK, libc::F_RDLCK, mark)',
    folder,
  ],
  [
    'presence',
    'the same for all buses',
    unix('presence'),
    '(mark >> 2) as libc::off_t',
    '(mark & 0) as libc::off_t',
    vanished('all files removed and then all members killed'),
  ],
  [
    'presence',
    'not asked by the sweep',
    sweep,
    'None => Present::at(place.mark()) == Present::Somebody,',
    'None => false,',
    version('version 3, alive'),
  ],
  [
    'presence',
    'not asked by who cannot look into the memory',
    opening,
    'Err(error) if anyone_lives(place) || Present::at(place.mark()) == Present::Somebody => {',
    'Err(error) if anyone_lives(place) => {',
    version('version 3, alive'),
  ],
  [
    'presence',
    'the sweep does not look into the memory',
    sweep,
    'Some(segment) => segment.is_inhabited(place),',
    'Some(segment) => false && segment.is_inhabited(place),',
    vanished('the locks of the members removed'),
  ],
  [
    'presence',
    'a lock of anybody is taken for a member',
    unix('presence'),
    'Ok(found) if (found.l_start, found.l_len) == (byte_of(mark), 1) =>',
    'Ok(found) if true || (found.l_start, found.l_len) == (byte_of(mark), 1) =>',
    'segment::os::unix::presence::tests::a_lock_that_no_member_holds_tells_of_nobody_in_particular',
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
    'Err(LockError::Stale) if self.segment.is_open() => {}',
    'Err(LockError::Stale) if false && self.segment.is_open() => {}',
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
  [
    'files',
    'a FIFO in the place of the pointer is waited for',
    files,
    'match read_text(&self.place.pointer()) {',
    'match std::fs::read_to_string(self.place.pointer()) {',
    leftovers('a FIFO in the place of a file'),
  ],
  ['split', 'not told', care, 'self.care.split = Split::Untold;', 'self.care.split = Split::Told;', splitFolder],
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
    '        if self.owns_files() {\n            self.remove_member_files(membership.number);',
    '        {\n            self.remove_member_files(membership.number);',
    splitFiles,
  ],
  [
    'split',
    'who buries removes files of the other bus',
    shared,
    'if buried && self.owns_files() {',
    'if buried {',
    splitFiles,
  ],
  [
    'split',
    'the last to leave removes the other bus',
    shared,
    '        if self.owns_files() {\n            remove_bus(&self.place, Some(self.segment.id()));',
    '        {\n            remove_bus(&self.place, None);',
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
    '        let _ = place.note_owed(&id[1..]);\n',
    '        let _ = place;\n',
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
    unix('memory'),
    '        give_back(&memory);\n',
    '        let _ = (give_back, memory);\n',
    lastIsAnother,
  ],
  [
    'owed',
    'the memory is given back by its length',
    unix('memory'),
    '        give_back(&memory);\n',
    '        let _ = (give_back, rustix::fs::ftruncate(&memory, 0));\n',
    group('users of a group open and close'),
  ],
  [
    'owed',
    'buses of the other kind are not swept',
    sweep,
    'if files::GROUPS {',
    'if false && files::GROUPS {',
    lastIsAnother,
  ],
  [
    'mode',
    'of folders',
    unix('files'),
    'Ok(()) if shared => std::fs::set_permissions(folder, Permissions::from_mode(mode)),',
    '',
    umask,
  ],
  ['mode', 'of pointers', place, `        files::permit(&file, self.mode)?;\n`, '', umask],
  [
    'mode',
    'of the registry lock',
    unix('lock'),
    'let _ = files::permit(&anchor, place.mode());',
    '',
    umask,
  ],
  [
    'mode',
    'of the lock of a member',
    witness,
    'let permitted = files::permit(&file, mode);',
    'let permitted: io::Result<()> = Ok(());',
    umask,
  ],
  ['mode', 'of the semaphore', fifo, '        rustix::fs::fchmod(&fifo, Mode::from_raw_mode(mode))?;\n', '', umask],
  [
    'mode',
    'of the memory',
    mapping,
    '        memory.permit(place.mode())?;\n',
    '',
    umask,
  ],
  [
    'owner',
    'not looked at',
    unix('files'),
    'owner == expected && mode & 0o077 == 0',
    'mode & 0o077 == 0',
    strangers('the folder of all buses is of another user'),
  ],
  [
    'owner',
    'who else is let in, not looked at',
    unix('files'),
    'owner == expected && mode & 0o077 == 0',
    'owner == expected',
    strangers('it is open to more than its owner'),
  ],
  [
    'owner',
    'of a shared bus, not looked at',
    unix('files'),
    'group == rustix::process::getegid().as_raw() && mode & 0o007 == 0',
    'mode & 0o007 == 0',
    group('what another group made'),
  ],
  [
    'owner',
    'who else is let in to a shared bus, not looked at',
    unix('files'),
    'group == rustix::process::getegid().as_raw() && mode & 0o007 == 0',
    'group == rustix::process::getegid().as_raw()',
    group('what another group made'),
  ],
  [
    'owner',
    'anything in the place of a folder',
    unix('files'),
    'if trusted && right_kind {',
    'if trusted {',
    strangers('it is open to more than its owner'),
  ],
  ['owner', 'a lock with a second name', unix('files'), ' && meta.nlink() == 1 }', ' }', group('links in the place of a file')],
  ['owner', 'memory with a second name', unix('memory'), 'stat.st_nlink <= 1,', 'true,', group('links in the place of a file')],
  [
    'owner',
    'of the memory, not looked at',
    unix('files'),
    '        if trusted && right_kind {',
    '        if trusted && right_kind || path.starts_with("/slabcast.") {',
    ownFolder,
  ],
  ['owner', 'of the lock, not looked at', unix('lock'), '        files::check(&path, false, place.is_shared())?;\n', '', ownFolder],
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
    unix('processes'),
    'Fate::Runs { started } if is_mine =>',
    'Fate::Runs { started } if is_mine || true =>',
    crash('namespaces', 'two processes of a PID namespace'),
  ],
  [
    'witness',
    'what a process was before exec is taken for living',
    witness,
    'its && !holding::is_held(',
    'false && its && !holding::is_held(',
    'rust::exec::a_member_that_execs_is_reaped_though_its_process_runs',
  ],
  [
    'wake',
    'no way to a semaphore without its file',
    fifo,
    'match sleeper.way_round(path) {',
    'match sleeper.way_round(path).filter(|_| false) {',
    roundAbout,
  ],
  [
    'wake',
    'whatever bears its number is written into',
    wake,
    'is_ok_and(|link| link.as_os_str() == removed.as_str())',
    'is_ok_and(|link| link.as_os_str() == removed.as_str() || true)',
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
