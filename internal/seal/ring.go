package seal

import (
	"errors"
	"fmt"
)

// OpenFirst opens the first of a vault's slots whose master key fits: those that need no secret first; then
// those of a recovery key, if secret is one; then those of a passphrase. Slots that are damaged cost what
// whole ones do. A nil secret means that there is none, and opens "stored" slots only.
//
// ErrWrongKey says that no slot opens with the secret, also where others are damaged. Otherwise the error is
// that of a damaged slot, or of one beyond this version.
func OpenFirst(slots []Slot, secret []byte, fits func(Master) bool) (Opened, error) {
	return openFirst(slots, secret, fits, argon)
}

func openFirst(slots []Slot, secret []byte, fits func(Master) bool, derive kdf) (Opened, error) {
	var wrong, other error
	try := func(kind string) (Opened, bool) {
		for i, s := range slots {
			if s.Kind != kind {
				continue
			}
			o, err := s.open(secret, derive)
			if err == nil && fits(o.Master) {
				o.Slot = i
				return o, true
			}
			switch {
			case err == nil:
				other = fmt.Errorf("config and key do not fit: %w", ErrDamaged)
			case errors.Is(err, ErrWrongKey):
				wrong = fmt.Errorf("no key of the vault opens with this passphrase or recovery key: %w", ErrWrongKey)
			default:
				other = err
			}
		}
		return Opened{Slot: -1}, false
	}
	kinds := []string{SlotStored, SlotRecovery, SlotPassphrase, ""}
	if secret == nil {
		kinds = kinds[:1]
		wrong = locked(slots)
	}
	for _, kind := range kinds {
		if o, ok := try(kind); ok {
			return o, nil
		}
	}
	if typing := recoveryTypo(slots, secret); typing != nil {
		wrong = typing
	}
	for _, s := range slots {
		if err := s.Check(); other == nil && err != nil {
			other = err
		}
	}
	switch {
	case wrong != nil && other != nil:
		return Opened{Slot: -1}, fmt.Errorf("%w (and another key: %v)", wrong, other)
	case wrong != nil:
		return Opened{Slot: -1}, wrong
	}
	return Opened{Slot: -1}, other
}

// locked says that a secret is needed, if one would be of use.
func locked(slots []Slot) error {
	if NeedSecret(slots) {
		return fmt.Errorf("the vault needs its passphrase or its recovery key: %w", ErrWrongKey)
	}
	return nil
}

// NeedSecret reports whether one of the slots can be opened by a passphrase or a recovery key.
func NeedSecret(slots []Slot) bool {
	for _, s := range slots {
		if s.NeedsSecret() && s.Check() == nil {
			return true
		}
	}
	return false
}

// recoveryTypo says what is wrong with a secret that was meant to be a recovery key, where there is one.
func recoveryTypo(slots []Slot, secret []byte) error {
	for _, s := range slots {
		if s.Kind == SlotRecovery {
			if _, err := ParseRecovery(secret); errors.Is(err, ErrTyping) {
				return err
			}
		}
	}
	return nil
}
