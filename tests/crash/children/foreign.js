'use strict'

// Preloaded: what this process publishes with `raw` is taken for MessagePack by others, as from a writer that is none of
// slabcast's.

require('../../../js/hot').FLAG_RAW = 0
