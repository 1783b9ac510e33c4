// As mutants.mjs, of what Windows alone has: the tests run under Wine, by scripts/windows (`npm run mutants -- 'windows '`). What Wine
// does not show is not here: there no process is found any more that has ended, though somebody has a handle of it.

const body = (contract) => `src/segment/os/windows/${contract}.rs`
const named = 'src/wake/named.rs'
const unit = (test) => `wine::lib::${test}`
const crash = (test) => `wine::crash::${test}`

const byLock = unit('segment::witness::tests::the_lock_decides_where_the_pid_means_nothing')
const folders = unit(
  'segment::os::windows::files::tests::every_bus_has_a_folder_of_its_own_whatever_the_system_takes_for_one_or_for_a_device',
)
const openers = crash('openers_killed_anywhere_leave_nothing_the_next_open_does_not_clean')
const storm = crash('deaths_under_the_registry_lock_leave_the_table_whole')

const checks = [
  [
    'a semaphore lets in whom the process’ own default lets in',
    named,
    'CreateSemaphoreW(&user_only.attributes(), 0, 1',
    'CreateSemaphoreW({ let _ = &user_only; std::ptr::null() }, 0, 1',
    unit('wake::body::tests::it_lets_in_this_user_alone'),
  ],
  [
    'a presence lets in whom the process’ own default lets in',
    body('presence'),
    'CreateEventW(&user_only.attributes(), 1, 0',
    'CreateEventW({ let _ = &user_only; std::ptr::null() }, 1, 0',
    unit('segment::os::windows::presence::tests::it_lets_in_this_user_alone'),
  ],
  [
    'the descriptor lets in everybody',
    'src/windows.rs',
    'wide(&format!("D:P(A;;GA;;;{})", user_sid()?))',
    'wide(&format!("D:P(A;;GA;;;WD){}", &user_sid()?[..0]))',
    unit('wake::body::tests::it_lets_in_this_user_alone'),
  ],
  [
    'a name that is taken is shared',
    named,
    'Ok(_) if error == ERROR_ALREADY_EXISTS => Ok(None),',
    'Ok(_) if error == ERROR_ALREADY_EXISTS && false => Ok(None),',
    unit('wake::body::tests::a_name_that_is_taken_is_not_shared'),
  ],
  [
    'a wait takes the post',
    named,
    '                post(self.handle.as_handle());\n            }\n            // A wait',
    '            }\n            // A wait',
    unit('wake::suite::a_post_stays_until_it_is_emptied_whoever_waited_for_it'),
  ],
  [
    'one post more than it holds is a failure',
    named,
    '|| GetLastError() == ERROR_TOO_MANY_POSTS',
    '|| (GetLastError() == ERROR_TOO_MANY_POSTS && false)',
    unit('wake::suite::more_posts_than_it_can_hold_neither_block_nor_fail'),
  ],
  [
    'nobody is seen to hold a lock file',
    body('holding'),
    'FILE_SHARE_READ | FILE_SHARE_DELETE;',
    'FILE_SHARE_READ | FILE_SHARE_DELETE | windows_sys::Win32::Storage::FileSystem::FILE_SHARE_WRITE;',
    byLock,
  ],
  [
    'everybody is taken to hold a lock file',
    body('holding'),
    '.open(path).is_err()',
    '.open(path).is_err() || true',
    byLock,
  ],
  [
    'a presence is one for each process',
    body('presence'),
    'wide(&format!("Global\\\\slabcast-{mark:016x}-presence"))',
    'wide(&format!("Global\\\\slabcast-{mark:016x}-{}-presence", std::process::id()))',
    crash('coming_and_going_on_several_buses_at_once_is_never_an_error'),
  ],
  ['capitals are no other letters', body('files'), "            name.push('+');\n", '', folders],
  ['a dot at the end is left to the system', body('files'), "        name.push('=');\n", '', folders],
  [
    'a device is taken for a folder',
    body('files'),
    'if is_device(&name) || name.starts_with',
    'if (is_device(&name) && false) || name.starts_with',
    folders,
  ],
  [
    'a bus is taken for memory',
    body('files'),
    'is_device(&name) || name.starts_with("slabcast.")',
    'is_device(&name)',
    folders,
  ],
  [
    'the registry lock is one for each process',
    body('lock'),
    'format!("slabcast-{:016x}-registry", place.mark())',
    'format!("slabcast-{:016x}-{}-registry", place.mark(), std::process::id())',
    storm,
  ],
  [
    'a lock whose folder is gone is believed',
    body('lock'),
    'found != INVALID_FILE_ATTRIBUTES && found & FILE_ATTRIBUTE_DIRECTORY != 0',
    'found != INVALID_FILE_ATTRIBUTES || found & FILE_ATTRIBUTE_DIRECTORY != 0',
    openers,
  ],
  [
    'memory is made once, though its folder may be gone',
    body('memory'),
    'const TRIES: u32 = 32;',
    'const TRIES: u32 = 1;',
    unit('segment::os::windows::memory::tests::memory_can_be_made_while_the_folder_goes_with_that_of_others'),
  ],
  ['memory keeps its file', body('memory'), 'if !self.kept {', 'if false && !self.kept {', openers],
  [
    'memory that was unlinked keeps its file',
    body('memory'),
    '.access_mode(DELETE)\n        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE | ',
    '.access_mode(DELETE)\n        .custom_flags(',
    openers,
  ],
]

export const windows = checks.map(([name, file, find, replace, test]) => ({
  rule: 'windows',
  name,
  file,
  find,
  replace,
  test,
}))
