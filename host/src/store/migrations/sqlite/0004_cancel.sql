-- Somebody asked that a job end, of whichever process; the one that has it looks.
ALTER TABLE jobs ADD COLUMN cancel_asked_at INTEGER;
