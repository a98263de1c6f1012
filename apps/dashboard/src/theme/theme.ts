/** Mantine's settings: its shades come from the inks of `inks.css`. */
import { Button, createTheme, type CSSVariablesResolver } from '@mantine/core';

export const theme = createTheme({
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  defaultRadius: 4,
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontSizes: { xs: '12px', sm: '14px', md: '14px', lg: '16px', xl: '20px' },
  components: {
    Button: Button.extend({
      defaultProps: { size: 'compact-sm', variant: 'default' },
      vars: (_, props) => ({
        root: {
          '--button-height': '32px',
          '--button-padding-x': '12px',
          ...(props.variant === 'filled' && {
            '--button-bg': 'var(--link)',
            '--button-hover': 'var(--link)',
            '--button-color': 'var(--canvas)',
          }),
          ...(props.variant === 'danger' && {
            '--button-bg': 'var(--danger)',
            '--button-hover': 'var(--danger)',
            '--button-color': 'var(--on-danger)',
            '--button-bd': '1px solid var(--danger)',
          }),
        },
      }),
    }),
  },
});

/** Everything is said in CSS files: no variables of Mantine's own per scheme. */
export const cssVariables: CSSVariablesResolver = () => ({ variables: {}, light: {}, dark: {} });
