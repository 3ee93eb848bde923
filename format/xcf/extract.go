package xcf

import (
	"fmt"

	"varve/format"
)

func tooLarge(it *item) error {
	return fmt.Errorf("a picture of %d×%d: %w", it.width, it.height, format.ErrLimit)
}
