"""The node's own tables, beside the event tables of its store.

No name, date or document stands in them; what tells something of a person (a country she fears, a grant) is sealed
(services.country.vault), and looked up by a keyed tag: of a country in a person's row by one that no other person's row
has, so that rows cannot be counted by country; of a batch by one that does not lead to its pair.

cases             one row a case, for lists
case_references   tag of (organisation, reference of a file) -> case, so that a file read twice is taken once
awaiting          what a first person signed and a second has to sign; no event yet
publications      one row a person and country: where its tokens stand, and in which epoch of the pair's key they were
                  made last
batches           evaluation requests under way; whose they are and their blinds sealed, gone when the batch is settled
requests          which batch has been sent to which holder
answers           what a holder answered to a batch, until it is settled
refusals          what a holder refused and nobody has looked at yet (`item`); until when it put the batch off
                  (`until`); how often it refused this batch on the day of the last time
stopped_pairs     pairs whose holder answered wrongly: no more questions until an operator resumes
closed_generations  which epoch and generation of a pair's key a holder was told to be the oldest with an open batch
renewed_epochs    epochs of a pair's key in which all tokens towards the other country have been made anew; whether the
                  matcher was told (`told`)
evidence          signed wrong answers and refusals that stopped a pair, kept
handles           handle -> person
matches           one row a match that this side was told
departures        positions of the store's log that still have to leave, by topic and partition
unasked           positions of the store's log whose person was not asked yet whether it may count in statistics
erased            whose record is erased, and whether the key is destroyed too: random ids
due               when a person's consents, grants or tokens must be looked at again
cursors           how far the relay has read the store's log
"""

TABLES = (
    """CREATE TABLE IF NOT EXISTS cases (case_id TEXT PRIMARY KEY, person_id TEXT NOT NULL UNIQUE,
       owner_org TEXT NOT NULL, state TEXT NOT NULL, identification TEXT NOT NULL, reported_on TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS case_references (reference BLOB PRIMARY KEY, case_id TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS awaiting (id TEXT PRIMARY KEY, kind TEXT NOT NULL, person_id TEXT NOT NULL,
       case_id TEXT NOT NULL, country BLOB NOT NULL, box BLOB NOT NULL, asked_at TEXT NOT NULL,
       UNIQUE (person_id, country, kind))""",
    """CREATE TABLE IF NOT EXISTS publications (person_id TEXT NOT NULL, country BLOB NOT NULL, case_id TEXT NOT NULL,
       state TEXT NOT NULL, reason TEXT NOT NULL, box BLOB NOT NULL, batch BLOB, epoch BIGINT NOT NULL DEFAULT 0,
       PRIMARY KEY (person_id, country))""",
    "CREATE INDEX IF NOT EXISTS publications_by_state ON publications (state, person_id)",
    "CREATE INDEX IF NOT EXISTS publications_by_batch ON publications (batch)",
    """CREATE TABLE IF NOT EXISTS batches (id TEXT PRIMARY KEY, pair TEXT NOT NULL, epoch BIGINT NOT NULL,
       generation BIGINT NOT NULL, purpose TEXT NOT NULL, box BLOB NOT NULL, blinded BLOB NOT NULL,
       asked_at TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS requests (batch TEXT NOT NULL, holder TEXT NOT NULL, PRIMARY KEY (batch, holder))",
    """CREATE TABLE IF NOT EXISTS answers (batch TEXT NOT NULL, holder TEXT NOT NULL, item TEXT NOT NULL,
       PRIMARY KEY (batch, holder))""",
    """CREATE TABLE IF NOT EXISTS refusals (batch TEXT NOT NULL, holder TEXT NOT NULL, item TEXT NOT NULL,
       until TEXT NOT NULL, day BIGINT NOT NULL, count BIGINT NOT NULL, PRIMARY KEY (batch, holder))""",
    """CREATE TABLE IF NOT EXISTS closed_generations (pair TEXT NOT NULL, holder TEXT NOT NULL, epoch BIGINT NOT NULL,
       generation BIGINT NOT NULL, PRIMARY KEY (pair, holder))""",
    """CREATE TABLE IF NOT EXISTS renewed_epochs (pair TEXT NOT NULL, epoch BIGINT NOT NULL, told BIGINT NOT NULL,
       PRIMARY KEY (pair, epoch))""",
    "CREATE TABLE IF NOT EXISTS stopped_pairs (pair TEXT PRIMARY KEY, holder TEXT NOT NULL, reason TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS evidence (batch TEXT NOT NULL, holder TEXT NOT NULL, found_at TEXT NOT NULL,
       record TEXT NOT NULL, PRIMARY KEY (batch, holder))""",
    "CREATE TABLE IF NOT EXISTS handles (handle TEXT PRIMARY KEY, person_id TEXT NOT NULL, country BLOB NOT NULL)",
    """CREATE TABLE IF NOT EXISTS matches (match_ref TEXT PRIMARY KEY, match_id TEXT NOT NULL UNIQUE,
       stream TEXT NOT NULL UNIQUE, person_id TEXT NOT NULL, state TEXT NOT NULL, told_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS departures (topic TEXT NOT NULL, partition BIGINT NOT NULL, position BIGINT NOT NULL,
       urgent BIGINT NOT NULL, PRIMARY KEY (topic, partition, position))""",
    "CREATE TABLE IF NOT EXISTS unasked (person_id TEXT NOT NULL, position BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS unasked_by_person ON unasked (person_id)",
    "CREATE TABLE IF NOT EXISTS due (person_id TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (person_id, at))",
    "CREATE INDEX IF NOT EXISTS due_by_time ON due (at)",
    "CREATE TABLE IF NOT EXISTS erased (person_id TEXT PRIMARY KEY, is_destroyed BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, position BIGINT NOT NULL)",
)
