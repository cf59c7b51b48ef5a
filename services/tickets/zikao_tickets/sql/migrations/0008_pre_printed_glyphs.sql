-- Pictures of characters belong to the office that supplied them, and stay on what was printed.

ALTER TABLE tickets.supplied_glyph
    ADD COLUMN county_prefix text COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE tickets.printed_glyph (
    glyph_sha256 bytea PRIMARY KEY,
    character text NOT NULL,
    png bytea NOT NULL,
    CONSTRAINT printed_glyph_character CHECK (char_length(character) = 1)
);
COMMENT ON TABLE tickets.printed_glyph IS
    'Pictures that were on a first print, by the SHA-256 of character and PNG: printing again draws
    the same, whatever offices have supplied since';

ALTER TABLE tickets.ticket ADD COLUMN glyphs bytea;
COMMENT ON COLUMN tickets.ticket.glyphs IS
    'The printed_glyph of the first print, 32 bytes each, one after the other; NULL before it';
