-- Whether a person wants the action taken back: that outlives a further attempt at it.
ALTER TABLE reverts ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
UPDATE reverts SET asked = 1
WHERE state <> 'undone'
    AND EXISTS (SELECT 1 FROM words w WHERE w.word = 'revert' AND w.about = effect_key AND w.at >= since);
